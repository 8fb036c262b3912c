import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.InsertField;
import org.apache.kafka.connect.transforms.MaskField;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Kafka Connect's own transforms on the records that the native benchmark left: the address masked, and a field of 64 digits
 * inserted. Connect has no transform that hashes, so this chain has less to do: the field's value is a constant.
 *
 * Arguments: the records, a JSON object a line; seconds of warming up; seconds of measuring.
 */
public class ConnectTransforms {
  static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  /** What was made, so that nothing is left out as unused. */
  static volatile Object made;

  public static void main(String[] args) throws Exception {
    Schema schema = SchemaBuilder.struct()
        .field("id", Schema.INT64_SCHEMA).field("customer", Schema.STRING_SCHEMA).field("email", Schema.STRING_SCHEMA)
        .field("city", Schema.STRING_SCHEMA).field("note", Schema.STRING_SCHEMA).field("amount", Schema.FLOAT64_SCHEMA)
        .field("quantity", Schema.INT32_SCHEMA).field("paid", Schema.BOOLEAN_SCHEMA).field("created", Schema.INT64_SCHEMA)
        .field("updated", Schema.INT64_SCHEMA).build();
    List<SourceRecord> records = new ArrayList<>();
    com.fasterxml.jackson.databind.ObjectMapper json = new com.fasterxml.jackson.databind.ObjectMapper();
    for (String line : Files.readAllLines(Path.of(args[0]), StandardCharsets.UTF_8)) {
      var row = json.readTree(line);
      Struct value = new Struct(schema)
          .put("id", row.get("id").asLong()).put("customer", row.get("customer").asText()).put("email", row.get("email").asText())
          .put("city", row.get("city").asText()).put("note", row.get("note").asText()).put("amount", row.get("amount").asDouble())
          .put("quantity", row.get("quantity").asInt()).put("paid", row.get("paid").asBoolean())
          .put("created", row.get("created").asLong()).put("updated", row.get("updated").asLong());
      records.add(new SourceRecord(Map.of("table", "orders"), Map.of("at", records.size()), "orders", schema, value));
    }
    Transformation<SourceRecord> mask = new MaskField.Value<>();
    mask.configure(Map.of("fields", "email", "replacement", "c***@example.com"));
    Transformation<SourceRecord> insert = new InsertField.Value<>();
    insert.configure(Map.of("static.field", "email_hash", "static.value", "0123456789abcdef".repeat(4)));
    List<Transformation<SourceRecord>> chain = List.of(mask, insert);

    pass(chain, records, Double.parseDouble(args[1]));
    double[] rounds = pass(chain, records, Double.parseDouble(args[2]));
    Arrays.sort(rounds);
    System.out.printf("Kafka Connect, Java\t%.1f\t%.1f%n", rounds[0], rounds[rounds.length / 2]);
  }

  /** Nanoseconds a record of this thread's processor time, of each round. */
  static double[] pass(List<Transformation<SourceRecord>> chain, List<SourceRecord> records, double seconds) {
    List<Double> rounds = new ArrayList<>();
    long until = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < until) {
      long begun = THREADS.getCurrentThreadCpuTime();
      for (int i = 0; i < 20; i++) {
        for (SourceRecord record : records) {
          SourceRecord now = record;
          for (Transformation<SourceRecord> transform : chain) {
            now = transform.apply(now);
          }
          made = now;
        }
      }
      rounds.add((THREADS.getCurrentThreadCpuTime() - begun) / (20.0 * records.size()));
    }
    return rounds.stream().mapToDouble(Double::doubleValue).toArray();
  }
}
