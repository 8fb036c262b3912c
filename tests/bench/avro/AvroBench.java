import com.sun.management.ThreadMXBean;
import io.apicurio.registry.rest.client.RegistryClient;
import io.apicurio.registry.rest.v2.beans.ArtifactMetaData;
import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.utils.converter.AvroConverter;
import io.apicurio.registry.utils.converter.avro.AvroData;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;

/**
 * Apicurio's Avro converter for Kafka Connect on the records that the native benchmark left in a folder: Connect's Structs to
 * messages and back. Its registry is one schema in memory, asked once. Prints lines as in figures.tsv, after enough warming up
 * that the compiler has done its work; one shape a process, so that no other shape's types spoil its profile.
 *
 * Arguments: folder, shape, seconds of warming up, seconds of measuring, each for each direction.
 */
public class AvroBench {
  static final String TOPIC = "shop.public.orders";
  static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  /** What was made, so that nothing is left out as unused. */
  static volatile long counted;

  interface Pass {
    long run();
  }

  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    String shape = args[1];
    double warm = Double.parseDouble(args[2]), seconds = Double.parseDouble(args[3]);

    List<SchemaAndValue> structs = new ArrayList<>();
    try (JsonConverter json = new JsonConverter()) {
      json.configure(Map.of("schemas.enable", "true"), false);
      for (String line : Files.readAllLines(folder.resolve(shape + ".jsonl"))) {
        structs.add(json.toConnectData(TOPIC, line.getBytes(StandardCharsets.UTF_8)));
      }
    }
    List<byte[]> messages = new ArrayList<>();
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(Files.readAllBytes(folder.resolve(shape + ".messages"))))) {
      while (in.available() > 0) {
        messages.add(in.readNBytes(in.readInt()));
      }
    }
    int n = structs.size();
    must(n == messages.size() && n > 0, "as many records as messages, not " + n + " and " + messages.size());

    AvroConverter<Object> writer = converter(null);
    AvroConverter<Object> reader = converter(Files.readString(folder.resolve(shape + ".avsc")));
    int equal = 0;
    for (int i = 0; i < n; i++) {
      SchemaAndValue s = structs.get(i);
      byte[] ours = messages.get(i), theirs = writer.fromConnectData(TOPIC, s.schema(), s.value());
      equal += Arrays.equals(ours, theirs) ? 1 : 0;
      // A map's entries have no order in Java.
      must(theirs.length == ours.length, shape + " " + i + ": " + theirs.length + " bytes where we write " + ours.length);
      SchemaAndValue read = reader.toConnectData(TOPIC, ours), own = reader.toConnectData(TOPIC, theirs);
      must(read.value().equals(own.value()), shape + " " + i + " is read as " + read.value() + ", not as " + own.value());
    }
    int bytes = messages.stream().mapToInt(m -> m.length).sum() / n;

    Mapping mapping = new Mapping(new Schema.Parser().parse(Files.readString(folder.resolve(shape + ".avsc"))));
    for (int i = 0; i < n; i++) {
      byte[] theirs = mapping.encode(structs.get(i));
      must(theirs.length == messages.get(i).length, shape + " " + i + ": " + theirs.length + " bytes by the mapping alone");
      must(mapping.decode(theirs) != null, shape + " " + i + " is read by the mapping alone");
    }

    measure(shape, "encode", "Apicurio", warm, seconds, n, bytes, () -> {
      long made = 0;
      for (SchemaAndValue s : structs) {
        made += writer.fromConnectData(TOPIC, s.schema(), s.value()).length;
      }
      return made;
    });
    measure(shape, "encode", "mapping", warm, seconds, n, bytes, () -> {
      long made = 0;
      for (SchemaAndValue s : structs) {
        made += mapping.encode(s).length;
      }
      return made;
    });
    measure(shape, "decode", "Apicurio", warm, seconds, n, bytes, () -> {
      long made = 0;
      for (byte[] m : messages) {
        made += reader.toConnectData(TOPIC, m).value() == null ? 0 : 1;
      }
      return made;
    });
    measure(shape, "decode", "mapping", warm, seconds, n, bytes, () -> {
      long made = 0;
      for (byte[] m : messages) {
        made += mapping.decode(m).value() == null ? 0 : 1;
      }
      return made;
    });
    System.err.println(shape + ": of " + n + " messages " + equal + " are byte for byte ours, all are read as the same records");
  }

  static void measure(String shape, String way, String side, double warm, double seconds, int n, int bytes, Pass pass) {
    for (long until = System.nanoTime() + (long) (warm * 1e9); System.nanoTime() < until; ) {
      counted += pass.run();
    }
    List<Double> rounds = new ArrayList<>();
    long before = THREADS.getCurrentThreadAllocatedBytes();
    for (long until = System.nanoTime() + (long) (seconds * 1e9); System.nanoTime() < until; ) {
      long start = System.nanoTime();
      counted += pass.run();
      rounds.add((System.nanoTime() - start) / (double) n);
    }
    double allocated = (THREADS.getCurrentThreadAllocatedBytes() - before) / (double) n / rounds.size();
    rounds.sort(null);
    double least = rounds.get(0), median = rounds.get(rounds.size() / 2);
    System.out.printf("%s\t%s\t%s\t%.1f\t%.1f\t%.0f\t%d%n", shape, way, side, least, median, allocated, bytes);
  }

  /**
   * What the converter does without what its serializer adds for each record: AvroData's mapping, then Avro's own generic writer,
   * all of it kept from record to record. The least that a converter made of these parts takes.
   */
  static class Mapping {
    final AvroData data = new AvroData(1000);
    final Schema schema;
    final GenericDatumWriter<Object> writer;
    final GenericDatumReader<Object> reader;
    final ByteArrayOutputStream out = new ByteArrayOutputStream(4096);
    BinaryEncoder encoder;
    BinaryDecoder decoder;

    Mapping(Schema schema) {
      this.schema = schema;
      writer = new GenericDatumWriter<>(schema);
      reader = new GenericDatumReader<>(schema);
    }

    byte[] encode(SchemaAndValue s) {
      try {
        out.reset();
        out.writeBytes(new byte[] {0, 0, 0, 0, 1});
        encoder = EncoderFactory.get().directBinaryEncoder(out, encoder);
        writer.write(data.fromConnectData(s.schema(), s.value()), encoder);
        return out.toByteArray();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    SchemaAndValue decode(byte[] message) {
      try {
        decoder = DecoderFactory.get().binaryDecoder(message, 5, message.length - 5, decoder);
        return data.toConnectData(schema, reader.read(null, decoder));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** A converter whose registry holds the one schema, or takes the first. */
  static AvroConverter<Object> converter(String schema) {
    RegistryClient registry = registry(schema);
    AvroConverter<Object> converter = new AvroConverter<>();
    converter.setSerializer(new AvroKafkaSerializer<>(registry));
    converter.setDeserializer(new AvroKafkaDeserializer<>(registry));
    // Confluent's wire format: a zero and an id of four bytes in front of the value.
    converter.configure(Map.of(
        "apicurio.registry.auto-register", "true",
        "apicurio.registry.headers.enabled", "false",
        "apicurio.registry.as-confluent", "true"), false);
    return converter;
  }

  static RegistryClient registry(String schema) {
    String[] held = {schema};
    return (RegistryClient) Proxy.newProxyInstance(AvroBench.class.getClassLoader(), new Class<?>[] {RegistryClient.class}, (p, method, args) -> {
      String name = method.getName();
      if (name.startsWith("createArtifact")) {
        for (Object a : args) {
          if (a instanceof InputStream in) {
            held[0] = new String(in.readAllBytes(), StandardCharsets.UTF_8);
          }
        }
        ArtifactMetaData made = new ArtifactMetaData();
        made.setId(TOPIC + "-value");
        made.setVersion("1");
        made.setGlobalId(1L);
        made.setContentId(1L);
        return made;
      }
      if (name.startsWith("getContentBy")) {
        return new ByteArrayInputStream(held[0].getBytes(StandardCharsets.UTF_8));
      }
      if (name.startsWith("getArtifactReferences")) {
        return List.of();
      }
      if (name.equals("close")) {
        return null;
      }
      throw new UnsupportedOperationException(method.toString());
    });
  }

  static void must(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }
}
