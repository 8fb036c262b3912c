import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

/** What Java's Avro says of the cases: verdicts by level, every reason of the last pair, and the texts it prints. */
class Record {
  static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    List<String> lines = new ArrayList<>();
    for (JsonNode c : JSON.readTree(new File("cases/avro.json"))) {
      List<Schema> versions = new ArrayList<>();
      for (JsonNode v : c.get("versions")) versions.add(parse(v.toString()));
      Collections.reverse(versions);
      Schema made = parse(c.get("new").toString());
      ObjectNode line = JSON.createObjectNode();
      line.put("name", c.get("name").asText());
      ArrayNode allowed = line.putArray("allowed");
      allowed.add("NONE");
      for (String level : new String[] {"BACKWARD", "FORWARD", "FULL"}) {
        if (allows(level, made, versions.subList(0, 1))) allowed.add(level);
        if (allows(level, made, versions)) allowed.add(level + "_TRANSITIVE");
      }
      reasons(line.putArray("new reads last"), made, versions.get(0));
      reasons(line.putArray("last reads new"), versions.get(0), made);
      lines.add(line.toString());
    }
    write("verdicts/java-avro.json", lines);
    lines.clear();
    for (JsonNode text : JSON.readTree(new File("cases/avro-texts.json"))) {
      ObjectNode line = JSON.createObjectNode();
      line.set("text", text);
      line.put("new", printed(text.asText(), true));
      line.put("registered", printed(text.asText(), false));
      lines.add(line.toString());
    }
    write("verdicts/java-avro-texts.json", lines);
  }

  static Schema parse(String text) {
    return parser(true).parse(text);
  }

  /** As strict as Confluent's registry is with a schema that is new, and with one that is there already. */
  static Schema.Parser parser(boolean isNew) {
    Schema.Parser parser = new Schema.Parser(isNew ? NameValidator.STRICT_VALIDATOR : NameValidator.NO_VALIDATION);
    return parser.setValidateDefaults(isNew);
  }

  /** Null where the text is refused. */
  static String printed(String text, boolean isNew) {
    try {
      Schema schema = parser(isNew).parse(text);
      if (!isNew && !named(schema, new HashSet<>())) return null;
      return schema.toString();
    } catch (RuntimeException refused) {
      return null;
    }
  }

  /** Whether the names of types, fields and symbols are names, whatever the namespaces are. */
  static boolean named(Schema s, Set<String> seen) {
    return switch (s.getType()) {
      case UNION -> s.getTypes().stream().allMatch(b -> named(b, seen));
      case ARRAY -> named(s.getElementType(), seen);
      case MAP -> named(s.getValueType(), seen);
      case ENUM -> name(s.getName()) && s.getEnumSymbols().stream().allMatch(n -> name(n));
      case FIXED -> name(s.getName());
      case RECORD -> !seen.add(s.getFullName())
          || name(s.getName()) && s.getFields().stream().allMatch(f -> name(f.name()) && named(f.schema(), seen));
      default -> true;
    };
  }

  static boolean name(String name) {
    return NameValidator.UTF_VALIDATOR.validate(name).isOK();
  }

  static boolean allows(String level, Schema made, List<Schema> versions) {
    return versions.stream().allMatch(v ->
        (level.equals("FORWARD") || reads(made, v)) && (level.equals("BACKWARD") || reads(v, made)));
  }

  static boolean reads(Schema reader, Schema writer) {
    return SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getType()
        == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE;
  }

  /** Each once: a type that is used at two places is reported with the first of them. */
  static void reasons(ArrayNode out, Schema reader, Schema writer) {
    Set<String> all = new LinkedHashSet<>();
    for (var i : SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult().getIncompatibilities())
      all.add(i.getType() + " " + i.getLocation() + " " + i.getMessage());
    all.forEach(out::add);
  }

  static void write(String path, List<String> lines) throws Exception {
    Files.writeString(Path.of(path), "[\n" + String.join(",\n", lines) + "\n]\n");
    System.out.println(path + ": " + lines.size());
  }
}
