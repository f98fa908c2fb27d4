package io.quern.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.file.AtomicFile;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Writes a run as JSON lines. A step is {@code {"step", "loss", "lr", "grad_norm", "tok_s", "val_loss", "elapsed_s",
 * "peak_mib"}}, {@code val_loss} only where it was measured; other lines have {@code step} and one of {@code sample},
 * {@code saved} and {@code ended}. Every line is in the file as soon as it is written.
 */
public final class EventLog implements TrainListener, AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;
    private BufferedWriter out;
    private String throughput = "items_s";

    /**
     * A log that begins when the run does: anew for a new run; a resumed run goes on with the lines up to the step
     * where it resumes, and drops those of steps that are now done again.
     */
    public EventLog(Path file) {
        this.file = file;
    }

    @Override
    public void on(TrainEvent event) throws IOException {
        switch (event) {
            case TrainEvent.Started e -> open(e);
            case TrainEvent.Step e -> write(step(e));
            case TrainEvent.Sampled e -> write(line(e.step(), "sample", e.text()));
            case TrainEvent.Saved e -> write(line(e.step(), "saved", e.best() ? "best" : "last"));
            case TrainEvent.Ended e ->
                write(line(e.result().step(), "ended", e.result().stopped() ? "stopped" : "complete"));
        }
    }

    private void open(TrainEvent.Started e) throws IOException {
        close();
        Files.createDirectories(file.toAbsolutePath().getParent());
        throughput = e.unit() + "_s";
        if (e.step() == 0) {
            out = Files.newBufferedWriter(file);
            return;
        }
        if (Files.exists(file)) {
            dropAfter(e.step());
        }
        out = Files.newBufferedWriter(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** Also drops a last line that was cut off when the earlier run died. */
    private void dropAfter(long step) throws IOException {
        List<String> kept = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            try {
                JsonNode at = JSON.readTree(line).get("step");
                if (at != null && at.asLong() <= step && !line.contains("\"ended\"")) {
                    kept.add(line);
                }
            } catch (JsonProcessingException cutOff) {
                break;
            }
        }
        String rest = kept.stream().map(line -> line + "\n").collect(Collectors.joining());
        AtomicFile.write(file, rest.getBytes(StandardCharsets.UTF_8));
    }

    private Map<String, Object> step(TrainEvent.Step e) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("step", e.step());
        line.put("loss", single(e.loss()));
        line.put("lr", e.lr());
        line.put("grad_norm", rounded(e.gradNorm(), 6));
        line.put(throughput, rounded(e.itemsPerSecond(), 4));
        if (e.isValidated()) {
            line.put("val_loss", single(e.validationLoss()));
        }
        line.put("elapsed_s", Math.round(e.seconds() * 1000) / 1000.0);
        line.put("peak_mib", Math.round(e.peakBytes() / 1048576.0 * 10) / 10.0);
        return line;
    }

    /** The shortest decimal that stands for the nearest float, so that two runs can be compared to the last bit. */
    private static Double single(double x) {
        return Float.isFinite((float) x) ? Double.valueOf(Float.toString((float) x)) : null;
    }

    /** To significant digits: more would be noise that makes the file twice as large. */
    private static Double rounded(double x, int digits) {
        return Double.isFinite(x) ? Double.valueOf(String.format(Locale.ROOT, "%." + (digits - 1) + "e", x)) : null;
    }

    private static Map<String, Object> line(long step, String key, Object value) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("step", step);
        line.put(key, value);
        return line;
    }

    private void write(Map<String, Object> line) throws IOException {
        out.write(JSON.writeValueAsString(line));
        out.write('\n');
        out.flush();
    }

    @Override
    public void close() throws IOException {
        if (out != null) {
            out.close();
            out = null;
        }
    }
}
