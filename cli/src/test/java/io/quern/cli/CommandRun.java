package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** What a command came to that ran inside this process. */
record CommandRun(int code, String out, String err) {
    private static final ObjectMapper JSON = new ObjectMapper();

    static CommandRun of(String... args) {
        return of(new byte[0], args);
    }

    static CommandRun of(byte[] stdin, String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Main.execute(new Output(new ByteArrayInputStream(stdin), out, err, false), args);
        return new CommandRun(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** Of a command that went well: its answer, one object. */
    JsonNode json() {
        assertEquals(0, code, err);
        try {
            return JSON.readTree(out);
        } catch (IOException e) {
            throw new AssertionError("not JSON: " + out, e);
        }
    }

    /** That it ended with this code, this on stderr, nothing on stdout and no stack trace. */
    void fails(int expected, String message) {
        assertEquals(expected, code, err);
        assertTrue(err.contains(message), err);
        assertFalse(err.contains("\tat "), "a stack trace without --verbose: " + err);
        assertEquals("", out);
    }
}
