package io.quern.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The streams of a command: the answer on stdout, everything else on stderr, both UTF-8. */
final class Output {
    private final InputStream in;
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
        this.out = new PrintStream(out, false, StandardCharsets.UTF_8);
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
        // The reader has gone, as in "quern generate | head": there is nobody to tell and nothing left to do.
        if (out.checkError()) {
            throw new ClosedOutputException();
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
