package io.quern.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;

/** The losses of a run as {@code log.jsonl} has them, to the last bit of a float. */
record RunCurve(List<Point> points) {
    static final String FILE = "log.jsonl";

    /** The losses of an update; the validation loss is NaN where none was measured. */
    record Point(long step, float loss, float validation) {
        /** Validation losses count where both have one: a run also measures it where it ends, which another may not. */
        boolean same(Point other) {
            return step == other.step
                    && Float.floatToIntBits(loss) == Float.floatToIntBits(other.loss)
                    && (Float.isNaN(validation)
                            || Float.isNaN(other.validation)
                            || Float.floatToIntBits(validation) == Float.floatToIntBits(other.validation));
        }

        @Override
        public String toString() {
            return "loss " + loss + (Float.isNaN(validation) ? "" : ", validation loss " + validation);
        }
    }

    /**
     * @throws TensorException if there is no log, or it is damaged
     */
    static RunCurve read(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            throw new TensorException(folder + " has no " + FILE);
        }
        ObjectMapper json = new ObjectMapper();
        List<Point> points = new ArrayList<>();
        int number = 0;
        for (String line : Files.readAllLines(file)) {
            number++;
            try {
                JsonNode n = json.readTree(line);
                if (n.has("loss")) {
                    points.add(new Point(n.path("step").asLong(), single(n, "loss"), single(n, "val_loss")));
                }
            } catch (JsonProcessingException e) {
                throw new TensorException(file + ", line " + number + ": not valid JSON: " + e.getOriginalMessage(), e);
            }
        }
        return new RunCurve(points);
    }

    private static float single(JsonNode n, String key) {
        return n.hasNonNull(key) ? (float) n.get(key).asDouble() : Float.NaN;
    }

    /** Over step, loss and validation loss of every update, as big-endian bits. */
    String sha256() {
        MessageDigest digest = Hashes.sha256();
        for (Point p : points) {
            digest.update(ByteBuffer.allocate(16)
                    .putLong(p.step)
                    .putInt(Float.floatToIntBits(p.loss))
                    .putInt(Float.floatToIntBits(p.validation))
                    .flip());
        }
        return Hashes.hex(digest);
    }
}
