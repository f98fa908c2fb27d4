package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.cuda.Emulator;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.opentest4j.TestAbortedException;

/**
 * Runs commands on the emulated CUDA device in a process of their own: a process has one driver, and other tests of this module
 * want none.
 */
final class EmulatedCommands {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String NEXT = ";";
    private static final int SKIPPED = 77;

    private EmulatedCommands() {}

    record Run(int code, String out, String err) {
        List<JsonNode> json() throws IOException {
            try (var values = JSON.readerFor(JsonNode.class).<JsonNode>readValues(out)) {
                return values.readAll();
            }
        }
    }

    /** The other process. */
    public static void main(String[] args) throws IOException {
        try {
            Emulator.require();
        } catch (TestAbortedException e) {
            System.exit(SKIPPED);
        }
        List<String> command = new ArrayList<>();
        List<String> all = new ArrayList<>(List.of(args));
        all.add(NEXT);
        for (String a : all) {
            if (!a.equals(NEXT)) {
                command.add(a);
                continue;
            }
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            Output output = new Output(new ByteArrayInputStream(new byte[0]), out, err, false);
            int code = Main.execute(output, command.toArray(String[]::new));
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("code", code);
            line.put("out", out.toString(StandardCharsets.UTF_8));
            line.put("err", err.toString(StandardCharsets.UTF_8));
            System.out.println("=" + JSON.writeValueAsString(line));
            command.clear();
        }
        System.exit(0);
    }

    /**
     * @param properties such as {@code quern.cuda.table=FILE}
     * @param commands one after another in the same process
     */
    static List<Run> run(List<String> properties, List<List<String>> commands)
            throws IOException, InterruptedException {
        List<String> line = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC"));
        properties.forEach(p -> line.add("-D" + p));
        line.addAll(List.of("-cp", System.getProperty("java.class.path"), EmulatedCommands.class.getName()));
        commands.forEach(c -> {
            if (!c.equals(commands.getFirst())) {
                line.add(NEXT);
            }
            line.addAll(c);
        });
        Process p = new ProcessBuilder(line).redirectErrorStream(true).start();
        try (OutputStream none = p.getOutputStream()) {
            none.flush();
        }
        String output = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = p.waitFor();
        Assumptions.assumeTrue(code != SKIPPED, "no emulated device");
        assertEquals(0, code, output);
        List<Run> runs = new ArrayList<>();
        for (String l : output.split("\n")) {
            if (l.startsWith("={")) {
                JsonNode n = JSON.readTree(l.substring(1));
                runs.add(new Run(
                        n.get("code").asInt(),
                        n.get("out").asText(),
                        n.get("err").asText()));
            }
        }
        assertEquals(commands.size(), runs.size(), output);
        return runs;
    }
}
