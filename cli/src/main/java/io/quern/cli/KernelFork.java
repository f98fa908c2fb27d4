package io.quern.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.Yardstick;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** A process that measures rows of {@code bench kernels} one at a time, when asked; idle in between. See {@link KernelWorker}. */
final class KernelFork implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int KEPT_LINES = 10;
    private static final long PATIENCE_MILLIS = 2000;

    private final String name;
    private final Process process;
    private final BufferedWriter to;
    private final BufferedReader from;
    private final Thread listener;
    private final Deque<String> complaints = new ArrayDeque<>();
    private final Set<String> keys = new LinkedHashSet<>();
    private final String version;

    /**
     * Starts it and waits for what it can measure.
     *
     * @throws TensorException if it does not start or does not understand
     */
    KernelFork(String name, List<String> command) {
        this.name = name;
        try {
            process = new ProcessBuilder(command).start();
        } catch (IOException e) {
            throw new TensorException(name + " cannot be started: " + e.getMessage(), e);
        }
        to = process.outputWriter(StandardCharsets.UTF_8);
        from = process.inputReader(StandardCharsets.UTF_8);
        listener = Thread.ofPlatform().daemon().name("quern-fork-errors").start(this::listen);
        try {
            JsonNode hello = answer();
            if (hello.path("quern_worker").asInt() != KernelWorker.PROTOCOL) {
                throw failed("it speaks another version of the protocol: " + hello);
            }
            version = hello.path("version").asText();
            hello.path("keys").forEach(k -> keys.add(k.asText()));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private void listen() {
        try (BufferedReader errors = process.errorReader(StandardCharsets.UTF_8)) {
            for (String line = errors.readLine(); line != null; line = errors.readLine()) {
                synchronized (complaints) {
                    complaints.addLast(line);
                    if (complaints.size() > KEPT_LINES) {
                        complaints.removeFirst();
                    }
                }
            }
        } catch (IOException e) {
            // The process has gone, which whoever waits for its answer learns.
        }
    }

    /** What it can measure. */
    Set<String> keys() {
        return keys;
    }

    String version() {
        return version;
    }

    /**
     * Measures a round of a row.
     *
     * @return null if its device refuses
     */
    KernelMeter.Round measure(String key) {
        try {
            to.write(key + "\n");
            to.flush();
        } catch (IOException e) {
            throw failed("it takes no more requests: " + e.getMessage());
        }
        JsonNode a = answer();
        if (a.has("refused")) {
            return null;
        }
        double median = a.path("median").asDouble();
        double quartile = a.path("quartile").asDouble();
        double least = a.path("least").asDouble();
        if (!a.path("key").asText().equals(key) || !(median > 0) || !(quartile > 0) || !(least > 0)) {
            throw failed("asked for " + key + " it answers " + a);
        }
        Yardstick.Pace pace = a.has("compute")
                ? new Yardstick.Pace(
                        a.path("compute").asDouble(), a.path("memory").asDouble())
                : null;
        return new KernelMeter.Round(
                median,
                quartile,
                least,
                pace,
                a.path("flops").asDouble(),
                a.path("bytes").asDouble());
    }

    private JsonNode answer() {
        try {
            String line = from.readLine();
            if (line == null) {
                listener.join(PATIENCE_MILLIS); // for its last words
                throw failed("it ended");
            }
            return JSON.readTree(line);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failed("interrupted while it ended");
        } catch (JsonProcessingException e) {
            throw failed("its answer is not JSON: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw failed("its answer cannot be read: " + e.getMessage());
        }
    }

    private TensorException failed(String what) {
        List<String> last;
        synchronized (complaints) {
            last = new ArrayList<>(complaints);
        }
        return new TensorException(
                name + ": " + what + (last.isEmpty() ? "" : "; it says: " + String.join(" | ", last)));
    }

    /** Ends the process. */
    @Override
    public void close() {
        // One that is measuring does not look at its input.
        process.descendants().forEach(ProcessHandle::destroy);
        process.destroy();
        try {
            process.waitFor();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
