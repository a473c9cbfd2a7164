import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/**
 * A MongoDB server that keeps everything in memory. Usage: java -cp 'JARS/*' MongoJavaServer.java PORT
 *
 * <p>It says the wire version of MongoDB 5.0, whose messages it speaks; by itself it says 4.2's, which today's
 * drivers refuse. Its name stands in its version, so that tests can tell it from a MongoDB.
 */
class MongoJavaServer {
  private static final class Version implements MongoVersion {
    @Override
    public List<Integer> getVersionArray() {
      return List.of(5, 0, 0, 0);
    }

    @Override
    public int getWireVersion() {
      return 13;
    }

    @Override
    public String toVersionString() {
      return "5.0.0-mongo-java-server";
    }
  }

  public static void main(String[] arguments) {
    var backend = new MemoryBackend().version(new Version());
    new MongoServer(backend).bind("127.0.0.1", Integer.parseInt(arguments[0]));
  }
}
