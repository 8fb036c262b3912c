import com.sun.tools.attach.VirtualMachine;
import java.util.TreeSet;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanServerConnection;
import javax.management.ObjectName;
import javax.management.remote.JMXConnector;
import javax.management.remote.JMXConnectorFactory;
import javax.management.remote.JMXServiceURL;

/** Prints the beans of the Kafka Connect worker that runs as a process: type, connector, task, attribute, value. */
public class Beans {
    public static void main(String[] args) throws Exception {
        String address = VirtualMachine.attach(args[0]).startLocalManagementAgent();
        try (JMXConnector connector = JMXConnectorFactory.connect(new JMXServiceURL(address))) {
            MBeanServerConnection beans = connector.getMBeanServerConnection();
            for (ObjectName bean : new TreeSet<>(beans.queryNames(new ObjectName("kafka.connect:*"), null))) {
                for (MBeanAttributeInfo attribute : beans.getMBeanInfo(bean).getAttributes()) {
                    String name = attribute.getName();
                    System.out.println(String.join("\t", bean.getKeyProperty("type"), key(bean, "connector"), key(bean, "task"),
                            name, String.valueOf(beans.getAttribute(bean, name))));
                }
            }
        }
    }

    private static String key(ObjectName bean, String key) {
        String value = bean.getKeyProperty(key);
        return value == null ? "" : value;
    }
}
