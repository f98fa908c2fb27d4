package io.quern.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.file.FileErrors;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The streams of a command: the answer on stdout, everything else on stderr, both UTF-8. */
final class Output {
    private static final String BROKEN_PIPE = "Broken pipe";

    private final InputStream in;
    private final Watched watched;
    private final PrintStream out;
    private final PrintStream err;
    private final boolean terminal;
    private final List<Runnable> atEnd = new ArrayList<>();

    /** The streams of the process. */
    Output(InputStream in) {
        this(in, new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)), System.err, isTerminal());
    }

    Output(InputStream in, OutputStream out, OutputStream err, boolean terminal) {
        this.in = in;
        this.watched = new Watched(out);
        this.out = new PrintStream(watched, false, StandardCharsets.UTF_8);
        this.err = new PrintStream(err, true, StandardCharsets.UTF_8);
        this.terminal = terminal;
    }

    private static boolean isTerminal() {
        return System.console() != null && System.console().isTerminal();
    }

    InputStream in() {
        return in;
    }

    /** Whether a person sees stdout and stderr as they are written. */
    boolean terminal() {
        return terminal;
    }

    /** Whether nothing was piped into stdin. */
    boolean inputIsTerminal() {
        return in == System.in && System.console() != null && System.console().isTerminal();
    }

    boolean colours() {
        return terminal && System.getenv("NO_COLOR") == null;
    }

    /** A part of the answer, shown at once. */
    void print(String text) {
        out.print(text);
        flush();
    }

    void println(String text) {
        out.print(text);
        out.print('\n');
        flush();
    }

    /** Made when needed: it takes a tenth of a second in a new process, which commands without --json need not pay. */
    private static final class Json {
        private static final ObjectMapper MAPPER = new ObjectMapper();
    }

    /** An object as one line of JSON. */
    void json(Object value) {
        try {
            println(Json.MAPPER.writeValueAsString(value));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write as JSON: " + e.getOriginalMessage(), e);
        }
    }

    private void flush() {
        if (out.checkError()) {
            // The reader has gone, as in "quern generate | head": there is nobody to tell and nothing left to do.
            if (watched.failure == null || watched.failure.getMessage().contains(BROKEN_PIPE)) {
                throw new ClosedOutputException();
            }
            throw new UncheckedIOException(
                    new IOException("the answer cannot be written to stdout: " + FileErrors.reason(watched.failure)));
        }
    }

    /** Remembers why writing failed, of which a {@link PrintStream} only says that it did. */
    private static final class Watched extends FilterOutputStream {
        private IOException failure;

        Watched(OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            try {
                out.write(bytes, from, count);
            } catch (IOException e) {
                failure = e;
                throw e;
            }
        }

        @Override
        public void flush() throws IOException {
            try {
                out.flush();
            } catch (IOException e) {
                failure = e;
                throw e;
            }
        }
    }

    /** A line about the work, on stderr. */
    void note(String text) {
        err.print(text);
        err.print('\n');
        err.flush();
    }

    /** Something to say when the command has ended, well or not. */
    void atEnd(Runnable work) {
        atEnd.add(work);
    }

    /** The command has ended. */
    void end() {
        atEnd.forEach(Runnable::run);
        atEnd.clear();
    }

    PrintStream err() {
        return err;
    }

    PrintWriter outWriter() {
        return new PrintWriter(out, true);
    }

    PrintWriter errWriter() {
        return new PrintWriter(err, true);
    }

    /** Thrown when stdout can no longer be written to. */
    static final class ClosedOutputException extends RuntimeException {
        ClosedOutputException() {
            super("stdout is closed", null, false, false);
        }
    }
}
