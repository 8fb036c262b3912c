// Records what Kafka Connect's own transforms and predicates make of the records in cases.json. record.sh runs it.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.Configurable;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.storage.ConverterType;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

public class Record {
    static final ObjectMapper JSON = new ObjectMapper();

    static JsonConverter converter(boolean schemas) {
        JsonConverter c = new JsonConverter();
        // A field that is null stays null, so that defaults are seen to be the transform's doing.
        c.configure(Map.of("converter.type", ConverterType.VALUE.getName(), "schemas.enable", schemas, "replace.null.with.default", false));
        return c;
    }

    static final JsonConverter WITH = converter(true), WITHOUT = converter(false);

    /** {"schema", "payload"}: with a schema; {"payload"} alone: without. */
    static SchemaAndValue read(JsonNode node) throws Exception {
        if (node == null || node.isNull()) return SchemaAndValue.NULL;
        boolean schemas = node.has("schema");
        byte[] bytes = JSON.writeValueAsBytes(schemas ? node : node.get("payload"));
        return (schemas ? WITH : WITHOUT).toConnectData("t", bytes);
    }

    static JsonNode write(Schema schema, Object value) throws Exception {
        if (schema == null && value == null) return JSON.nullNode();
        byte[] bytes = (schema != null ? WITH : WITHOUT).fromConnectData("t", schema, value);
        JsonNode node = bytes == null ? JSON.nullNode() : JSON.readTree(bytes);
        return schema != null ? node : JSON.createObjectNode().set("payload", node);
    }

    static SinkRecord record(JsonNode in) throws Exception {
        SchemaAndValue key = read(in.get("key")), value = read(in.get("value"));
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode h : in.withArray("headers")) headers.add(h.get(0).asText(), read(h.get(1)));
        Long timestamp = in.has("timestamp") ? in.get("timestamp").asLong() : null;
        return new SinkRecord(in.path("topic").asText("orders"), 3, key.schema(), key.value(), value.schema(), value.value(), 42,
            timestamp, timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, headers);
    }

    static JsonNode written(SinkRecord r) throws Exception {
        if (r == null) return JSON.nullNode();
        ObjectNode out = JSON.createObjectNode();
        out.put("topic", r.topic());
        out.set("key", write(r.keySchema(), r.key()));
        out.set("value", write(r.valueSchema(), r.value()));
        ArrayNode headers = out.putArray("headers");
        for (Header h : r.headers()) headers.addArray().add(h.key()).add(write(h.schema(), h.value()));
        if (r.timestamp() != null) out.put("timestamp", r.timestamp());
        return out;
    }

    static ObjectNode error(Throwable e) {
        return JSON.createObjectNode().put("error", e.getClass().getName()).put("message", String.valueOf(e.getMessage()));
    }

    @SuppressWarnings("unchecked")
    public static void main(String[] args) throws Exception {
        JsonNode cases = JSON.readTree(new File(args[0]));
        ArrayNode vectors = JSON.createArrayNode();
        for (JsonNode c : cases.get("cases")) {
            Map<String, String> config = new HashMap<>();
            c.path("config").fields().forEachRemaining(f -> config.put(f.getKey(), f.getValue().asText()));
            boolean isPredicate = c.has("predicate");
            String kind = isPredicate ? "predicate" : "transform";
            String name = "org.apache.kafka.connect.transforms." + (isPredicate ? "predicates." : "") + c.get(kind).asText();
            Object made = Class.forName(name).getDeclaredConstructor().newInstance();
            ObjectNode vector = vectors.addObject();
            vector.set(kind, c.get(kind));
            vector.set("config", c.path("config"));
            try {
                ((Configurable) made).configure(config);
            } catch (Exception e) {
                vector.set("refused", error(e));
                continue;
            }
            ObjectNode outcomes = vector.putObject("records");
            for (JsonNode of : c.get("records")) {
                try {
                    SinkRecord given = record(cases.get("records").get(of.asText()));
                    outcomes.set(of.asText(), isPredicate
                        ? JSON.getNodeFactory().booleanNode(((Predicate<SinkRecord>) made).test(given))
                        : written(((Transformation<SinkRecord>) made).apply(given)));
                } catch (Exception e) {
                    outcomes.set(of.asText(), error(e));
                }
            }
        }
        // One vector a line: a change shows as a change of its lines.
        StringBuilder text = new StringBuilder("[\n");
        for (int i = 0; i < vectors.size(); i++) {
            text.append(JSON.writeValueAsString(vectors.get(i))).append(i + 1 < vectors.size() ? ",\n" : "\n");
        }
        System.out.write(text.append("]\n").toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }
}
