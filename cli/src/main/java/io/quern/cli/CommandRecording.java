package io.quern.cli;

import io.quern.tensor.file.FileErrors;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.text.ParseException;
import java.util.List;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import jdk.jfr.RecordingState;

/**
 * A recording of JDK Flight Recorder: Quern's events, and those of the JVM that the JDK's settings {@code default} have. It
 * is written under a temporary name and moved into place, also when the command fails or Ctrl-C ends it.
 */
final class CommandRecording implements AutoCloseable {
    /** What is kept; older events go first. */
    private static final long MOST_BYTES = 1L << 30;

    private static final List<String> EVENTS = List.of("Kernel", "Allocation", "Transfer", "Token", "Step");

    private static final long PATIENCE_MILLIS = 10_000;

    private final Path file;
    private final Path temporary;
    private final Recording recording;
    private final Thread hook = new Thread(this::finishOnExit, "quern-jfr");

    private CommandRecording(Path file, Path temporary, Recording recording) {
        this.file = file;
        this.temporary = temporary;
        this.recording = recording;
    }

    /**
     * Starts a recording.
     *
     * @param file to write at the end
     * @throws IOException if the file cannot be written
     */
    static CommandRecording start(Path file, String name) throws IOException, ParseException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new IOException("--jfr: " + file + " is not a file that could be replaced");
        }
        Path target = file.toAbsolutePath();
        Path temporary = target.resolveSibling(
                "." + target.getFileName() + "." + ProcessHandle.current().pid() + ".part");
        Files.deleteIfExists(temporary);
        try {
            Files.createFile(temporary);
        } catch (IOException e) {
            throw new IOException("--jfr: " + file + " cannot be written: " + FileErrors.reason(e), e);
        }
        Recording recording = new Recording(Configuration.getConfiguration("default"));
        recording.setName(name);
        EVENTS.forEach(e -> recording.enable("io.quern." + e).withoutThreshold());
        recording.setMaxSize(MOST_BYTES);
        recording.setDestination(temporary);
        // On Ctrl-C the recorder goes down beside our own hooks, and must not take the events with it.
        recording.setDumpOnExit(true);
        CommandRecording r = new CommandRecording(target, temporary, recording);
        recording.start();
        Runtime.getRuntime().addShutdownHook(r.hook);
        return r;
    }

    /** Writes the file. */
    @Override
    public void close() throws IOException {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            return; // the JVM is going down, and the hook sees to the file
        }
        recording.stop(); // which writes to the destination and closes
        finish();
    }

    /** Flight Recorder writes in a hook of its own; stopping it here as well would have it delete what it has not written. */
    private void finishOnExit() {
        long end = System.currentTimeMillis() + PATIENCE_MILLIS;
        try {
            while (recording.getState() != RecordingState.CLOSED && System.currentTimeMillis() < end) {
                Thread.sleep(5);
            }
            finish();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            System.err.println("quern: " + e.getMessage());
        }
    }

    private void finish() throws IOException {
        try {
            if (recording.getState() != RecordingState.CLOSED || Files.size(temporary) == 0) {
                throw new IOException("--jfr: the recording could not be written to " + file);
            }
            move();
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private void move() throws IOException {
        try {
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }
}
