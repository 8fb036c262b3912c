package millrace;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkConnector;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/** A sink for the real Kafka Connect that reports every record as errant: what a dead letter of a put looks like there. */
public class PoisonSink extends SinkConnector {
    private Map<String, String> config;

    @Override
    public void start(Map<String, String> config) {
        this.config = config;
    }

    @Override
    public void stop() {}

    @Override
    public String version() {
        return "1";
    }

    @Override
    public Class<? extends Task> taskClass() {
        return PoisonTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int max) {
        return List.of(config);
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    /** Its task. */
    public static class PoisonTask extends SinkTask {
        private ErrantRecordReporter reporter;

        @Override
        public String version() {
            return "1";
        }

        @Override
        public void start(Map<String, String> config) {
            reporter = context.errantRecordReporter();
        }

        @Override
        public void stop() {}

        @Override
        public void put(Collection<SinkRecord> records) {
            for (SinkRecord record : records) {
                reporter.report(record, new DataException("poison"));
            }
        }
    }
}
