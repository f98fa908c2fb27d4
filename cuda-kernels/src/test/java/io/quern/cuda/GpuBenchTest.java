package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The measurements that {@code gpu-check.sh} takes on a card run through on the emulated device, and are reported. */
class GpuBenchTest {
    @TempDir
    private Path folder;

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    private static CudaBackend backend() {
        return (CudaBackend) new Device("cuda", 0).backend();
    }

    @AfterEach
    void asBefore() {
        backend().products().choose(ProductChooser.Choice.AUTO);
    }

    @Test
    void everythingIsMeasuredAndReportedBesideThePeers() throws Exception {
        Path file = folder.resolve("results.jsonl");
        GpuResults results = new GpuResults(file);
        new GpuBench(backend(), "memory", results).memory();
        new GpuBench(backend(), "gemm", results).products();
        new GpuBench(backend(), "attention", results).attention();
        Files.write(
                file,
                List.of(
                        "{\"part\":\"memory\",\"name\":\"adamw\",\"dtype\":\"F32\",\"impl\":\"torch\",\"ms\":1e9}",
                        "{\"part\":\"decode\",\"test\":\"tg4\",\"dtype\":\"F32\",\"tok_s\":12.5}",
                        "{\"part\":\"tune\",\"op\":\"matmul/tile\",\"shape\":\"1x2x3"
                                + " NN\",\"dtype\":\"F32\",\"time_us\":1500}",
                        "{\"part\":\"tune\",\"op\":\"matmul/cublas\",\"shape\":\"1x2x3"
                                + " NN\",\"dtype\":\"F32\",\"time_us\":9e5}",
                        "{\"part\":\"ops\",\"test\":\"X.y\",\"outcome\":\"failed\",\"message\":\"wrong\"}",
                        "{\"part\":\"tra"),
                java.nio.file.StandardOpenOption.APPEND);
        List<String> report = GpuReport.of(file).lines().toList();
        assertEquals("tests of ops: 0 passed, 1 failed, 0 skipped", report.getFirst());
        assertEquals(
                List.of("! ops: X.y: wrong", "! report: damaged line: {\"part\":\"tra"),
                report.stream().filter(l -> l.startsWith("!")).toList());
        assertRow(report, "memory     layer_norm_grad              BF16 ", "of copy");
        assertRow(report, "memory     adamw                        F32  ", "own/peer speed");
        assertRow(report, "gemm       64x64x64 NN                  BF16 ", "off by");
        assertRow(report, "gemm       33x65x17 NT                  F32  ", "cuBLAS");
        assertRow(report, "attention  backward 1x32x2x16           F32  ", "TFLOP/s");
        assertRow(report, "tune       matmul 1x2x3 NN              F32  ", "  tile 1.50 ms  cublas 900 ms");
        assertRow(report, "decode     quern tg4 F32", "12.50 tokens/s");
    }

    private static void assertRow(List<String> report, String start, String part) {
        assertTrue(
                report.stream().anyMatch(l -> l.startsWith(start) && l.contains(part)),
                start + " ... " + part + " is not in\n" + String.join("\n", report));
    }
}
