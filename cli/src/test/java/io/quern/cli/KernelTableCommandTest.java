package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table of kernels from the command line: measured and saved, used by the next process, shown, recorded, overridden. */
class KernelTableCommandTest {
    @TempDir
    private Path folder;

    private static List<String> words(String line, String... more) {
        List<String> all = new ArrayList<>(List.of(line.split(" ")));
        all.addAll(List.of(more));
        return all;
    }

    @Test
    void theNextProcessTakesWhatWasSaved() throws Exception {
        Path table = folder.resolve("table.json");
        List<String> properties = List.of("quern.cuda.table=" + table, "quern.cuda.pool=on");
        EmulatedCommands.Run bench = EmulatedCommands.run(
                        properties,
                        List.of(words(
                                "bench kernels --device cuda --shape 16x32x24 --dtype f32 --quick --save --json")))
                .getFirst();
        assertEquals(0, bench.code(), bench.err());
        assertTrue(bench.err().contains("wrote the table of kernels: " + table), bench.err());
        List<String> ops = bench.json().stream()
                .map(n -> n.path("op").asText())
                .filter(o -> o.startsWith("matmul"))
                .toList();
        for (String op : List.of("matmul", "matmul/cublas", "matmul/tile", "matmul/tile128")) {
            assertEquals(3, ops.stream().filter(op::equals).count(), op + " in " + ops);
        }
        // Those of linear layers with a bias too.
        assertEquals(
                5, new ObjectMapper().readTree(table.toFile()).get("products").size());

        Path data =
                Files.writeString(folder.resolve("data.txt"), "to be or not to be, that is the question. ".repeat(40));
        Path out = folder.resolve("run");
        List<EmulatedCommands.Run> runs = EmulatedCommands.run(
                properties,
                List.of(
                        words("doctor --json"),
                        words("doctor"),
                        words(
                                "train gpt --device cuda --gemm own --vocab-size 260 --layers 1 --hidden 8 --heads 2"
                                        + " --context 8 --batch 2 --steps 2 --eval-batches 1 --data",
                                data.toString(),
                                "--out",
                                out.toString()),
                        words("generate -p x -n 1 --device cuda -v"),
                        words("doctor -v"),
                        words("generate -p x -n 1 --device cuda --gemm own:mma128"),
                        words("generate -p x -n 1 --device cuda --gemm fastest"),
                        words("bench kernels --device cuda --shape 16x32x24 --dtype f32 --quick --gemm cublas"
                                + " --json")));
        JsonNode choices = runs.get(0).json().getFirst().get("kernel_choices").get("cuda");
        assertEquals("the table " + table + " is used", choices.get(0).asText());
        assertEquals(6, choices.size());
        assertTrue(choices.get(1).asText().startsWith("F32 nn 16 x 32 x 32, aligned"), choices.toString());
        assertTrue(
                runs.get(1).out().contains("kernel_choices\n  cuda               the table "),
                runs.get(1).out());
        assertEquals(0, runs.get(2).code(), runs.get(2).err());
        Map<?, ?> taken = new ObjectMapper().convertValue(Receipt.read(out).get("kernel_choices"), Map.class);
        assertFalse(taken.isEmpty());
        taken.forEach((shapes, kernels) -> assertFalse(kernels.toString().contains("cublas"), shapes + ": " + kernels));
        assertEquals("own", Receipt.read(out).get("options").get("gemm").asText());
        assertTrue(
                runs.get(3).err().matches("(?s).*memory on cuda: peak [0-9.]+ MiB, live .* times\n"),
                runs.get(3).err());
        String doctor = runs.get(4).out();
        assertTrue(doctor.contains("search\n  cuda               libcuda: "), doctor);
        assertTrue(doctor.contains("libcuda.so.1 (looked at quern.cuda.driver="), doctor);
        assertTrue(doctor.matches("(?s).*memory\n  cpu .*\n  cuda               peak .*buffers of .*"), doctor);
        assertTrue(doctor.contains("matrix products: the fastest by the table, else cuBLAS"), doctor);
        assertFails(1, runs.get(5), "mma128 was asked for (--gemm own:mma128) and cannot do F32");
        assertFails(2, runs.get(6), "--gemm is auto, cublas, own or own:NAME, not 'fastest'");
        assertTrue(
                runs.get(7).json().stream()
                        .anyMatch(
                                n -> n.path("impl").asText().contains("matrix products: cuBLAS; a table of 5 classes")),
                runs.get(7).out());
    }

    private static void assertFails(int code, EmulatedCommands.Run run, String message) {
        assertEquals(code, run.code(), run.out());
        assertTrue(run.err().contains(message), run.err());
    }

    @Test
    void theCpuHasNoChoice() {
        for (List<String> args :
                List.of(words("generate -p x -n 1 --gemm own"), words("bench kernels --quick --op softmax --save"))) {
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            Output output = new Output(new ByteArrayInputStream(new byte[0]), new ByteArrayOutputStream(), err, false);
            assertEquals(2, Main.execute(output, args.toArray(String[]::new)));
            assertTrue(err.toString(StandardCharsets.UTF_8).contains("cuda"), err.toString(StandardCharsets.UTF_8));
        }
    }
}
