package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.cuda.driver.Driver;
import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Tunable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Measured, written, read by a backend that starts later, and taken; and what happens to tables of something else. */
class KernelTableTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private Path file;
    private String before;

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
        CatalogRun.backend();
    }

    @BeforeEach
    void ownTable() {
        file = folder.resolve("cache/table.json");
        before = System.getProperty("quern.cuda.table");
        System.setProperty("quern.cuda.table", file.toString());
    }

    @AfterEach
    void asBefore() {
        if (before == null) {
            System.clearProperty("quern.cuda.table");
        } else {
            System.setProperty("quern.cuda.table", before);
        }
    }

    /** A backend that starts now and reads the table. */
    private static CudaBackend started() {
        return new CudaBackend(Driver.get().open(0), 0);
    }

    private static Tensor noise(DType dtype, int... dims) {
        return Tensor.randn(new io.quern.tensor.Rng(3), 1, dims).cast(dtype).to(CatalogRun.CUDA);
    }

    /** What would do a product: {@code cublas} or the label of a kernel. */
    private static String choice(CudaBackend backend, DType dtype, int m, int k, int n) {
        return choice(backend, dtype, m, k, n, false);
    }

    private static String choice(CudaBackend backend, DType dtype, int m, int k, int n, boolean biased) {
        return Scope.run(() -> {
            Tensor a = Tensor.zeros(CatalogRun.CUDA, dtype, Shape.of(m, k));
            Tensor b = Tensor.zeros(CatalogRun.CUDA, dtype, Shape.of(k, n));
            Tensor c = Tensor.zeros(CatalogRun.CUDA, dtype, Shape.of(m, n));
            Tensor bias = biased ? Tensor.zeros(CatalogRun.CUDA, dtype, Shape.of(n)) : null;
            backend.products().pick(MatMulProblem.of(a, b, bias, c), true);
            return backend.products().last();
        });
    }

    /** Measures in a table of its own: the backend of all tests keeps the rule. */
    private List<Tunable.Timing> tune(CudaBackend backend, List<Op> ops) {
        KernelTuner tuner = new KernelTuner(
                CatalogRun.backend().card(), CatalogRun.backend().products(), backend.kernelChoices());
        return tuner.tune(ops, 1e-6);
    }

    private Path tuneThree() throws IOException {
        CudaBackend tuning = started();
        for (DType dtype : List.of(DType.BF16, DType.F32)) {
            Scope.run(() -> Tape.noGrad(() -> {
                List<Tunable.Timing> t =
                        tune(tuning, List.of(new MatMul(noise(dtype, 40, 24), noise(dtype, 24, 16), null)));
                Set<String> names =
                        new HashSet<>(t.stream().map(Tunable.Timing::variant).toList());
                assertEquals(
                        dtype == DType.F32
                                ? Set.of("cublas", "tile128", "tile")
                                : Set.of("cublas", "mma128", "mma64", "mma_any", "tile"),
                        Set.copyOf(known(names)));
                assertTrue(t.stream().allMatch(x -> x.seconds().length == 7));
                return null;
            }));
        }
        Scope.run(() -> Tape.noGrad(() -> {
            List<Tunable.Timing> t =
                    tune(tuning, List.of(new Elementwise.Unary(Elementwise.UnaryKind.GELU, noise(DType.F32, 1000))));
            assertEquals(
                    List.of("128", "256", "512", "64"),
                    t.stream().map(Tunable.Timing::variant).sorted().toList());
            return null;
        }));
        return tuning.saveTable();
    }

    /** Without kernels that others may add. */
    private static Set<String> known(Set<String> names) {
        names.retainAll(Set.of("cublas", "gemv", "mma128", "mma64", "mma_any", "tile128", "tile"));
        return names;
    }

    @Test
    void whatWasMeasuredIsTakenByABackendThatStartsLater() throws IOException {
        assertEquals(file, tuneThree());
        CudaBackend later = started();
        assertTrue(
                later.description().contains("a table of 4 classes of products and 1 sizes of blocks"),
                later.description());
        JsonNode root = JSON.readTree(file.toFile());
        assertEquals(4, root.get("products").size());
        for (JsonNode row : root.get("products")) {
            String fastest = row.get("seconds").properties().stream()
                    .min(Comparator.comparingDouble(e -> e.getValue().asDouble()))
                    .orElseThrow()
                    .getKey();
            DType dtype = DType.valueOf(row.get("a").asText());
            // Another shape of the same class.
            assertEquals(
                    fastest, choice(later, dtype, 56, 32, 16, row.get("bias").asBoolean()));
        }
        assertTrue(
                later.choices().values().stream().allMatch(c -> c.endsWith("(table)")),
                later.choices().toString());
        assertEquals("the table " + file + " is used", later.table().getFirst());
        assertEquals(6, later.table().size());
    }

    /** Whatever was measured: a table that prefers what no rule would take. */
    private void prefer(String kernel) throws IOException {
        ObjectNode root = (ObjectNode) JSON.readTree(file.toFile());
        for (JsonNode row : root.get("products")) {
            ((ObjectNode) row.get("seconds")).put(kernel, 1e-12);
        }
        for (JsonNode row : root.get("blocks")) {
            ((ObjectNode) row.get("seconds")).put("96", 1e-12);
        }
        JSON.writerWithDefaultPrettyPrinter().writeValue(file.toFile(), root);
    }

    @Test
    void theTableWinsOverTheRuleAndTheOptionOverTheTable() throws IOException {
        tuneThree();
        prefer("tile");
        CudaBackend later = started();
        assertEquals("tile", choice(later, DType.BF16, 40, 24, 16));
        assertEquals("cublas", choice(later, DType.BF16, 40, 24, 17), "of another class: the rule");
        assertEquals("cublas", choice(later, DType.F16, 40, 24, 16), "of another dtype: the rule");
        later.choose("own:mma_any");
        assertEquals("mma_any", choice(later, DType.BF16, 40, 24, 16));
        later.choose("cublas");
        assertEquals("cublas", choice(later, DType.BF16, 40, 24, 16));
        later.choose("own");
        assertEquals("tile", choice(later, DType.BF16, 40, 24, 16));
        assertNotEquals("cublas", choice(later, DType.F16, 40, 24, 16));
        assertTrue(later.card().blockSizes().threads("unary_f32", 1000) == 96);
        assertTrue(later.card().blockSizes().threads("unary_f32", 5000) == 256);
        String choices = later.choices().toString();
        assertTrue(choices.contains("cublas (asked for), mma_any (asked for), tile (table)"), choices);
    }

    /** cuBLAS needs a bias written beforehand, so the fastest kernel may be another one. */
    @Test
    void aBiasMakesAClassOfItsOwn() throws IOException {
        tuneThree();
        ObjectNode root = (ObjectNode) JSON.readTree(file.toFile());
        for (JsonNode row : root.get("products")) {
            ((ObjectNode) row.get("seconds")).put(row.get("bias").asBoolean() ? "tile" : "cublas", 1e-12);
        }
        JSON.writeValue(file.toFile(), root);
        CudaBackend later = started();
        assertEquals("cublas", choice(later, DType.BF16, 40, 24, 16, false));
        assertEquals("tile", choice(later, DType.BF16, 40, 24, 16, true));
        assertTrue(
                later.choices().containsKey("BF16 nn 64 x 32 x 16, aligned, bias"),
                later.choices().toString());
    }

    /** How many threads of the kernel for few rows lie side by side is measured as well. */
    @Test
    void theTuneOfFewRowsTriesGroupsOfThreads() {
        CudaBackend tuning = started();
        Scope.run(() -> Tape.noGrad(() -> {
            MatMul op = new MatMul(noise(DType.F32, 1, 48), noise(DType.F32, 48, 80), null);
            assertEquals(
                    Set.of("cublas", "gemv", "gemv_2", "gemv_4", "gemv_8", "tile128", "tile"),
                    tune(tuning, List.of(op)).stream()
                            .map(Tunable.Timing::variant)
                            .collect(Collectors.toSet()));
            MatMul alongK =
                    new MatMul(noise(DType.F32, 1, 48), noise(DType.F32, 80, 48).transpose(0, 1), null);
            assertEquals(
                    Set.of("cublas", "gemv", "tile128", "tile"),
                    tune(tuning, List.of(alongK)).stream()
                            .map(Tunable.Timing::variant)
                            .collect(Collectors.toSet()));
            return null;
        }));
    }

    @Test
    void aChoiceThatCannotBeDoneNowGivesWayToTheNextFastest() throws IOException {
        tuneThree();
        prefer("gemv");
        CudaBackend later = started();
        String chosen = choice(later, DType.F32, 40, 24, 16);
        assertNotEquals("gemv", chosen, "40 rows are not few");
        assertTrue(
                later.choices().toString().contains(chosen + " (table)"),
                later.choices().toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        "card" : "emulated device"     | "card" : "NVIDIA H200"         | it is of another card (card NVIDIA H200, not emulated
        "capability" : "9.0"           | "capability" : "8.0"           | it is of another card (capability 8.0, not 9.0)
        "kernels_sha256" : "           | "kernels_sha256" : "0          | it was measured with other kernels (kernels_sha256 0
        "quern_cuda_kernels" : 2       | "quern_cuda_kernels" : 1       | it is no table of kernels, or of another version
        "layout" : "nn"                | "layout" : "zz"                | it is damaged: 'layout' in {
        "tile" :                       | "tiles" :                      | it is damaged: 'seconds' in {
        "512" :                        | "5120" :                       | it is damaged: 'seconds' in {
        "a" : "BF16"                   | "a" : "BF17"                   | it is damaged: 'a' in {
        "elements" : 1024              | "elements" : -1                | it is damaged: 'elements' in {
        "batch" : 1                    | "batch" : "one"                | it is damaged: 'batch' in {
        "blocks" :                     | "bloecke" :                    | it is damaged: it has no list 'blocks'
        "products" : [                 | "products" : [ [               | it is damaged: not JSON
        """)
    void aTableOfSomethingElseIsNotUsedWhichIsSaid(String part, String instead, String reason) throws IOException {
        tuneThree();
        prefer("tile");
        String text = Files.readString(file);
        assertTrue(text.contains(part), part + " is not in " + text);
        Files.writeString(file, text.replace(part, instead));
        CudaBackend later = started();
        String said = later.table().getFirst();
        assertTrue(said.startsWith("the table of kernels " + file + " is not used: " + reason), said);
        assertTrue(
                said.endsWith(
                        "Kernels are chosen by rule; measure again with: quern bench kernels --device cuda --save"),
                said);
        assertTrue(later.description().contains("the table " + file + " is not used"), later.description());
        assertEquals("cublas", choice(later, DType.BF16, 40, 24, 16));
        assertEquals(256, later.card().blockSizes().threads("unary_f32", 1000));
    }

    @Test
    void withoutAFileTheRuleIsUsed() {
        CudaBackend none = started();
        assertTrue(none.description().contains("no table of measurements"), none.description());
        assertTrue(
                none.table().getFirst().startsWith("no table in " + file),
                none.table().toString());
        assertEquals("cublas", choice(none, DType.BF16, 40, 24, 16));
        assertEquals("gemv", choice(none, DType.BF16, 4, 24, 16));
        assertFalse(Files.exists(file));
    }

    @Test
    void aKernelThatCannotIsAnErrorWithTheWaysOut() {
        CudaBackend backend = CatalogRun.backend();
        try {
            backend.choose("own:mma128");
            TensorException own = assertThrows(
                    TensorException.class,
                    () -> Scope.run(() -> noise(DType.F32, 4, 3)
                            .matmul(noise(DType.F32, 3, 5))
                            .toFloats()));
            assertEquals(
                    "matmul: mma128 was asked for (--gemm own:mma128) and cannot do F32, 4 x 3 times 3 x 5, nn. gemv,"
                        + " gemv_2, gemv_4, gemv_8, tile128, tile can: --gemm auto lets them do what it cannot; or use"
                        + " --device cpu",
                    own.getMessage());
            backend.choose("cublas");
            TensorException cublas = assertThrows(
                    TensorException.class,
                    () -> Scope.run(() -> noise(DType.F32, 9, 3)
                            .matmul(noise(DType.BF16, 3, 5))
                            .toFloats()));
            assertTrue(
                    cublas.getMessage()
                            .startsWith("matmul: cuBLAS was asked for (--gemm cublas) and cannot do F32 x BF16"),
                    cublas.getMessage());
            assertThrows(TensorException.class, () -> backend.choose("fast"));
        } finally {
            backend.choose("auto");
        }
    }

    @Test
    void classesAreSizesUpToPowersOfTwo() {
        assertEquals(1, ProductClass.bucket(0));
        assertEquals(1, ProductClass.bucket(1));
        assertEquals(4, ProductClass.bucket(3));
        assertEquals(4, ProductClass.bucket(4));
        assertEquals(1024, ProductClass.bucket(768));
        assertEquals(65536, ProductClass.bucket(50257));
        assertEquals(1 << 30, ProductClass.bucket(1L << 40));
    }
}
