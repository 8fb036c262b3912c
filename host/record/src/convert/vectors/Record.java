// Records what Kafka Connect's own converters make of the data and the bytes in cases.json. record.sh runs it.

import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import java.util.TreeMap;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;

public class Record {
    static final ObjectMapper JSON =
        JsonMapper.builder().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS).enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

    // ---- data in this file's own form, which no converter has a part in

    static Schema schema(JsonNode n) {
        if (n == null || n.isNull()) return null;
        Schema.Type type = Schema.Type.valueOf(n.get("type").asText());
        SchemaBuilder b = switch (type) {
            case ARRAY -> SchemaBuilder.array(schema(n.get("values")));
            case MAP -> SchemaBuilder.map(schema(n.get("keys")), schema(n.get("values")));
            default -> SchemaBuilder.type(type);
        };
        for (JsonNode f : n.path("fields")) b.field(f.get(0).asText(), schema(f.get(1)));
        if (n.path("optional").asBoolean()) b.optional();
        if (n.has("name")) b.name(n.get("name").asText());
        if (n.has("version")) b.version(n.get("version").asInt());
        if (n.has("doc")) b.doc(n.get("doc").asText());
        n.path("parameters").fields().forEachRemaining(e -> b.parameter(e.getKey(), e.getValue().asText()));
        if (n.has("default")) b.defaultValue(value(b, n.get("default")));
        return b.build();
    }

    static Object value(Schema s, JsonNode n) {
        if (n == null || n.isNull()) return null;
        if (s == null) return untyped(n);
        if (Decimal.LOGICAL_NAME.equals(s.name())) return new BigDecimal(n.asText());
        if (Date.LOGICAL_NAME.equals(s.name())) return Date.toLogical(s, n.intValue());
        if (Time.LOGICAL_NAME.equals(s.name())) return Time.toLogical(s, n.intValue());
        if (Timestamp.LOGICAL_NAME.equals(s.name())) return Timestamp.toLogical(s, n.longValue());
        switch (s.type()) {
            case BOOLEAN: return n.booleanValue();
            case INT8: return (byte) n.intValue();
            case INT16: return n.shortValue();
            case INT32: return n.intValue();
            case INT64: return n.longValue();
            case FLOAT32: return Float.valueOf(n.asText());
            case FLOAT64: return Double.valueOf(n.asText());
            case STRING: return n.asText();
            case BYTES: return Base64.getDecoder().decode(n.asText());
            case ARRAY:
                List<Object> list = new ArrayList<>();
                for (JsonNode e : n) list.add(value(s.valueSchema(), e));
                return list;
            case MAP:
                Map<Object, Object> map = new LinkedHashMap<>();
                for (JsonNode e : n) map.put(value(s.keySchema(), e.get(0)), value(s.valueSchema(), e.get(1)));
                return map;
            default:
                Struct struct = new Struct(s.schema());
                for (Field f : s.fields()) if (n.has(f.name())) struct.put(f, value(f.schema(), n.get(f.name())));
                return struct;
        }
    }

    /** What a schemaless JsonConverter would have made of it. */
    static Object untyped(JsonNode n) {
        if (n.isNull()) return null;
        if (n.isBoolean()) return n.booleanValue();
        if (n.isIntegralNumber()) return n.longValue();
        if (n.isNumber()) return n.doubleValue();
        if (n.isTextual()) return n.textValue();
        if (n.isArray()) {
            List<Object> list = new ArrayList<>();
            for (JsonNode e : n) list.add(untyped(e));
            return list;
        }
        Map<String, Object> map = new HashMap<>();
        n.fields().forEachRemaining(e -> map.put(e.getKey(), untyped(e.getValue())));
        return map;
    }

    static JsonNode written(Schema s) {
        if (s == null) return JSON.nullNode();
        ObjectNode n = JSON.createObjectNode();
        n.put("type", s.type().name());
        if (s.isOptional()) n.put("optional", true);
        if (s.name() != null) n.put("name", s.name());
        if (s.version() != null) n.put("version", s.version());
        if (s.doc() != null) n.put("doc", s.doc());
        if (s.parameters() != null) {
            ObjectNode p = n.putObject("parameters");
            s.parameters().forEach(p::put);
        }
        if (s.defaultValue() != null) n.set("default", written(s, s.defaultValue()));
        if (s.type() == Schema.Type.STRUCT) {
            ArrayNode fields = n.putArray("fields");
            for (Field f : s.fields()) fields.addArray().add(f.name()).add(written(f.schema()));
        }
        if (s.type() == Schema.Type.MAP) n.set("keys", written(s.keySchema()));
        if (s.type() == Schema.Type.MAP || s.type() == Schema.Type.ARRAY) n.set("values", written(s.valueSchema()));
        return n;
    }

    static String text(CharSequence c) {
        StringBuilder out = new StringBuilder();
        c.codePoints().forEach(p -> {
            if (p >= 0xD800 && p < 0xE000) out.append("<lone ").append(Integer.toHexString(p)).append('>');
            else out.appendCodePoint(p);
        });
        return out.toString();
    }

    static JsonNode written(Schema s, Object v) {
        if (v == null) return JSON.nullNode();
        String name = s == null ? null : s.name();
        if (v instanceof BigDecimal d) return Decimal.LOGICAL_NAME.equals(name) ? JSON.getNodeFactory().textNode(d.toString()) : JSON.createObjectNode().put("decimal", d.toString());
        if (v instanceof java.util.Date d) {
            try {
                if (Date.LOGICAL_NAME.equals(name)) return JSON.getNodeFactory().numberNode(Date.fromLogical(s, d));
                if (Time.LOGICAL_NAME.equals(name)) return JSON.getNodeFactory().numberNode(Time.fromLogical(s, d));
                if (Timestamp.LOGICAL_NAME.equals(name)) return JSON.getNodeFactory().numberNode(Timestamp.fromLogical(s, d));
            } catch (Exception e) {
                // Written as what it is: no value of this type.
            }
            return JSON.createObjectNode().put("millis", d.getTime());
        }
        if (v instanceof Boolean b) return JSON.getNodeFactory().booleanNode(b);
        if (v instanceof Byte || v instanceof Short || v instanceof Integer || v instanceof Long) return JSON.getNodeFactory().numberNode(((Number) v).longValue());
        // A float in its own digits, not in those of the double that it becomes.
        if (v instanceof Float && s == null && Float.isFinite((Float) v)) {
            return JSON.getNodeFactory().numberNode(Double.parseDouble(v.toString()));
        }
        if (v instanceof Float || v instanceof Double) {
            return s == null ? JSON.getNodeFactory().numberNode(((Number) v).doubleValue()) : JSON.getNodeFactory().textNode(v.toString());
        }
        if (v instanceof CharSequence c) return JSON.getNodeFactory().textNode(text(c));
        if (v instanceof byte[] b) return JSON.getNodeFactory().textNode(Base64.getEncoder().encodeToString(b));
        if (v instanceof ByteBuffer b) return JSON.getNodeFactory().textNode(Base64.getEncoder().encodeToString(b.array()));
        if (v instanceof List<?> l) {
            ArrayNode n = JSON.createArrayNode();
            for (Object e : l) n.add(written(s == null ? null : s.valueSchema(), e));
            return n;
        }
        if (v instanceof Map<?, ?> m) {
            Map<String, JsonNode> sorted = new TreeMap<>();
            if (s == null) {
                ObjectNode n = JSON.createObjectNode();
                m.forEach((k, e) -> n.set(String.valueOf(k), written(null, e)));
                return n;
            }
            m.forEach((k, e) -> {
                ArrayNode pair = JSON.createArrayNode().add(written(s.keySchema(), k)).add(written(s.valueSchema(), e));
                sorted.put(pair.toString(), pair);
            });
            ArrayNode n = JSON.createArrayNode();
            sorted.values().forEach(n::add);
            return n;
        }
        Struct struct = (Struct) v;
        ObjectNode n = JSON.createObjectNode();
        for (Field f : struct.schema().fields()) n.set(f.name(), written(f.schema(), struct.getWithoutDefault(f.name())));
        return n;
    }

    static int depth(Object v) {
        int depth = 0;
        for (; v instanceof List<?> l; v = l.isEmpty() ? null : l.get(0)) depth++;
        return depth;
    }

    // ---- bytes: text where they are, else {"hex"}

    static byte[] bytes(JsonNode n) {
        if (n.isNull()) return null;
        if (n.isTextual()) return n.textValue().getBytes(StandardCharsets.UTF_8);
        if (n.has("repeat")) return (n.get("repeat").textValue().repeat(n.get("times").asInt()) + n.path("then").asText("")).getBytes(StandardCharsets.UTF_8);
        return HexFormat.of().parseHex(n.get("hex").textValue());
    }

    static JsonNode written(byte[] b) {
        if (b == null) return JSON.nullNode();
        try {
            return JSON.getNodeFactory().textNode(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(b)).toString());
        } catch (CharacterCodingException e) {
            return JSON.createObjectNode().put("hex", HexFormat.of().formatHex(b));
        }
    }

    static ObjectNode error(Throwable e) {
        return JSON.createObjectNode().put("error", e.getClass().getName()).put("message", String.valueOf(e.getMessage()));
    }

    interface Call { JsonNode make() throws Exception; }

    static JsonNode attempt(Call call) {
        try {
            return call.make();
        } catch (Exception | StackOverflowError e) {
            return error(e);
        }
    }

    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        JsonNode cases = JSON.readTree(new File(args[0]));
        OutputStream out = System.out;
        out.write("[\n".getBytes());
        boolean first = true;
        for (JsonNode c : cases.get("converters")) {
            Map<String, String> config = new HashMap<>();
            c.path("config").fields().forEachRemaining(f -> config.put(f.getKey(), f.getValue().asText()));
            Object converter = Class.forName(c.get("class").asText()).getDeclaredConstructor().newInstance();
            String role = c.path("role").asText("value");
            ObjectNode vector = JSON.createObjectNode();
            vector.set("class", c.get("class"));
            vector.put("role", role);
            vector.set("config", c.path("config"));
            boolean header = role.equals("header");
            JsonNode refused = attempt(() -> {
                if (header) {
                    config.put("converter.type", "header");
                    ((HeaderConverter) converter).configure(config);
                } else {
                    ((Converter) converter).configure(config, role.equals("key"));
                }
                return null;
            });
            if (refused != null) vector.set("refused", refused);
            // One result a line: a change shows as a change of its lines.
            String head = JSON.writeValueAsString(vector);
            StringBuilder text = new StringBuilder(first ? "" : ",\n").append(head, 0, head.length() - 1);
            first = false;
            if (refused == null) {
                for (String way : List.of("encode", "decode")) {
                    text.append(",\"").append(way).append("\":{\n");
                    boolean none = true;
                    for (JsonNode group : c.path(way)) {
                        var entries = cases.get(way).get(group.asText()).fields();
                        while (entries.hasNext()) {
                            var e = entries.next();
                            JsonNode n = e.getValue();
                            JsonNode made = attempt(() -> {
                                if (way.equals("encode")) {
                                    Schema s = schema(n.get("schema"));
                                    Object v = value(s, n.get("value"));
                                    byte[] b = header ? ((HeaderConverter) converter).fromConnectHeader("t", "h", s, v) : ((Converter) converter).fromConnectData("t", s, v);
                                    return JSON.createObjectNode().set("bytes", written(b));
                                }
                                SchemaAndValue v = header ? ((HeaderConverter) converter).toConnectHeader("t", "h", bytes(n)) : ((Converter) converter).toConnectData("t", bytes(n));
                                ObjectNode data = JSON.createObjectNode();
                                data.set("schema", depth(v.value()) > 50 ? null : written(v.schema()));
                                // What is nested deeper than a reader of this file may go is told by its depth.
                                int depth = depth(v.value());
                                data.set("value", depth > 50 ? JSON.createObjectNode().put("depth", depth) : written(v.schema(), v.value()));
                                return data;
                            });
                            // The address of an object is another in every run.
                            text.append(none ? "" : ",\n").append(JSON.writeValueAsString(group.asText() + "/" + e.getKey())).append(':').append(JSON.writeValueAsString(made).replaceAll("\\[B@[0-9a-f]+", "[B@0"));
                            none = false;
                        }
                    }
                    text.append("}");
                }
            }
            out.write(text.append("}").toString().getBytes(StandardCharsets.UTF_8));
        }
        out.write("\n]\n".getBytes());
        out.flush();
    }
}
