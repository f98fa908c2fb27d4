package io.quern.tensor.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/** Quern's events of some work. */
public final class Recorded {
    /** Work that may fail. */
    @FunctionalInterface
    public interface Work {
        void run() throws IOException;
    }

    private Recorded() {}

    /** Runs the work under Flight Recorder; gives events of a name, such as {@code Kernel}, in their order. */
    public static List<RecordedEvent> events(String name, Work work) throws IOException {
        Path file = Files.createTempFile("quern", ".jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            work.run();
            recording.stop();
            recording.dump(file);
            return read(file, name);
        } finally {
            Files.delete(file);
        }
    }

    /** Events of a file, by their beginning. */
    public static List<RecordedEvent> read(Path file, String name) throws IOException {
        return RecordingFile.readAllEvents(file).stream()
                .filter(e -> e.getEventType().getName().equals("io.quern." + name))
                .sorted((a, b) -> a.getStartTime().compareTo(b.getStartTime()))
                .toList();
    }
}
