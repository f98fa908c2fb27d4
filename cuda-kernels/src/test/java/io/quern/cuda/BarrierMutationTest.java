package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.OpCatalog;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Every synchronisation in the kernels is needed as it is, and its lack is found: some case of the catalogue fails if any one
 * is left out, if one of a block becomes one of a warp, or if copies are waited for with one group more under way. All of
 * them take a few minutes, so only those of one small source are tried unless {@code -Dquern.mutations} names sources by a
 * regular expression, as scripts/check-barriers.sh does.
 */
class BarrierMutationTest {
    private static final Pattern SYNCHRONISATION =
            Pattern.compile("__syncthreads\\(\\);|__syncwarp\\(\\);|(cp_async|group)_wait<(\\d+)>\\(\\);|(?<!void"
                    + " )cp_async_commit\\(\\);|\\b(fence_phased|group_fence|group_commit)\\(\\);"
                    + "|\\b(wait_phase|arrive|arrive_expecting)\\([^;{]*\\);");

    /** A barrier is the same in all dtypes, so one of them is built. */
    private static final Pattern F32_ONLY = Pattern.compile("#define FOR_FLOATING\\(M\\).*");

    /**
     * A source with one synchronisation less.
     *
     * @param family the source whose kernels show it: itself, or one that includes it
     * @param instead what stands in the place of the synchronisation
     */
    private record Mutant(String source, String family, int line, String without, String instead, String text) {
        @Override
        public String toString() {
            return source + ":" + line + (family.equals(source) ? "" : " in " + family) + " "
                    + (instead.equals(";") ? "without " + without : instead + " for " + without);
        }

        /** The kernel of matrix products to take where it can. */
        MatMulKernel kernel() {
            return switch (family) {
                case "matmul_f32.cu" -> MatMulKernel.TILE_128;
                case "matmul_mma.cu" -> MatMulKernel.MMA_64;
                case "matmul_tf32.cu" -> MatMulKernel.TF32_64;
                case "matmul_wgmma.cu" -> MatMulKernel.WGMMA_128;
                case "gemv.cu" -> MatMulKernel.GEMV;
                default -> MatMulKernel.TILE;
            };
        }

        DType dtype() {
            return family.equals("attention_mma.cu") || kernel() == MatMulKernel.MMA_64 || isForHopper()
                    ? DType.BF16
                    : DType.F32;
        }

        private boolean isForHopper() {
            return family.endsWith("_wgmma.cu");
        }

        List<OpCase> cases() {
            return switch (family) {
                case "attention_wgmma.cu" -> WgmmaAttentionTest.cases();
                case "matmul_wgmma.cu" -> WgmmaTest.cases();
                default -> MatMulKernelsTest.cases();
            };
        }

        List<String> compare(OpCase c) {
            return family.equals("attention_wgmma.cu")
                    ? WgmmaAttentionTest.compare(c, dtype())
                    : MatMulKernelsTest.compare(c, kernel(), dtype());
        }

        boolean concerns(Op op) {
            return switch (family) {
                case "attention.cu", "attention_mma.cu", "attention_wgmma.cu" -> op instanceof Attention;
                case "reduce.cu" ->
                    op instanceof Reduce && !(op instanceof Reduce.TopK) && !(op instanceof Reduce.SquaredNorm);
                case "update.cu" -> op instanceof Reduce.SquaredNorm;
                case "embedding_grad.cu" -> op instanceof Index.EmbeddingGrad;
                case "topk.cu" -> op instanceof Reduce.TopK;
                case "elementwise.cu" -> op instanceof Elementwise.BiasUnaryGrad;
                case "norm.cu" -> op instanceof Norm;
                case "loss.cu" -> op instanceof Loss;
                case "matmul.cu", "matmul_f32.cu", "matmul_mma.cu", "matmul_tf32.cu", "matmul_wgmma.cu", "gemv.cu" ->
                    op instanceof MatMul;
                default -> throw new AssertionError("no operations are known for " + source);
            };
        }
    }

    /** The sources whose kernels run what a source has. */
    private static List<String> families(String source) {
        return switch (source) {
            case "common.cuh" -> List.of("reduce.cu", "norm.cu", "loss.cu");
            case "slices.cuh" -> List.of("matmul_mma.cu", "matmul_tf32.cu");
            default -> List.of(source);
        };
    }

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.requireBuild();
    }

    @AfterEach
    void putBack() {
        if (Emulator.folder() == null) {
            return;
        }
        EmulatedSchedule.replace(null);
        EmulatedSchedule.forgive(false);
        CatalogRun.backend().products().choose(ProductChooser.Choice.AUTO);
        CatalogRun.backend().attention().useHopper(false);
        MatMulKernel.allowTf32(false);
    }

    @Test
    void everySynchronisationIsNeeded() throws Exception {
        Pattern sources = Pattern.compile(System.getProperty("quern.mutations", "norm.cu"));
        List<Mutant> mutants = new ArrayList<>();
        for (Path source : EmulatorBuild.files(EmulatorBuild.KERNELS, "cu|cuh")) {
            if (sources.matcher(source.getFileName().toString()).matches()) {
                mutants.addAll(mutants(source));
            }
        }
        assertFalse(mutants.isEmpty());
        EmulatedSchedule.set("forward");
        EmulatedSchedule.forgive(true);
        List<String> survivors = new ArrayList<>();
        try (ExecutorService compilers = Executors.newFixedThreadPool(2)) {
            List<Future<Path>> libraries = new ArrayList<>();
            for (Mutant m : mutants) {
                libraries.add(compilers.submit(() -> build(m)));
            }
            for (int i = 0; i < mutants.size(); i++) {
                Mutant m = mutants.get(i);
                EmulatedSchedule.replace(libraries.get(i).get());
                String failure = failure(m);
                System.out.println(m + ": " + (failure == null ? "SURVIVES" : failure));
                if (failure == null) {
                    survivors.add(m.toString());
                }
            }
        }
        Map<String, Long> counts =
                mutants.stream().collect(Collectors.groupingBy(Mutant::family, TreeMap::new, Collectors.counting()));
        System.out.println("one synchronisation less: " + mutants.size() + " changed sources, " + survivors.size()
                + " survive; by the kernels that ran: " + counts);
        assertEquals(List.of(), survivors);
    }

    private static List<Mutant> mutants(Path source) throws IOException {
        String text = Files.readString(source);
        String name = source.getFileName().toString();
        List<Mutant> all = new ArrayList<>();
        Matcher m = SYNCHRONISATION.matcher(text);
        while (m.find()) {
            int line = (int) text.substring(0, m.start()).lines().count();
            List<String> replacements = new ArrayList<>(List.of(";"));
            if (m.group().startsWith("__syncthreads")) {
                replacements.add("__syncwarp();");
            } else if (m.group(2) != null) {
                replacements.add(m.group(1) + "_wait<" + (Integer.parseInt(m.group(2)) + 1) + ">();");
            }
            for (String family : families(name)) {
                for (String instead : replacements) {
                    String changed = text.substring(0, m.start()) + instead + text.substring(m.end());
                    all.add(new Mutant(name, family, line, m.group(), instead, changed));
                }
            }
        }
        return all;
    }

    private static Path build(Mutant m) throws IOException, EmulatorBuild.NoCompilerException {
        Path work = Files.createTempDirectory(EmulatorBuild.TARGET, "mutant");
        for (Path source : EmulatorBuild.files(EmulatorBuild.KERNELS, "cuh")) {
            Files.copy(source, work.resolve(source.getFileName()));
        }
        Files.copy(EmulatorBuild.KERNELS.resolve(m.family), work.resolve(m.family));
        Files.writeString(work.resolve(m.source), m.text.replaceAll("(MATMUL_WGMMAS|ATTENTION_WGMMA)\\(f16, .*", ""));
        Path common = work.resolve("common.cuh");
        Files.writeString(
                common,
                F32_ONLY.matcher(Files.readString(common)).replaceFirst(r -> "#define FOR_FLOATING(M) M(float, f32)"));
        return EmulatorBuild.replacement(work.resolve(m.family), work, Emulator.folder());
    }

    /** The first failure of a case that runs the changed kernels, or null. */
    private static String failure(Mutant m) {
        CatalogRun.backend().products().choose(ProductChooser.Choice.OWN, m.kernel());
        CatalogRun.backend().attention().useHopper(m.isForHopper());
        List<OpCase> cases = new ArrayList<>(m.cases());
        cases.addAll(AttentionKernelsTest.cases());
        cases.addAll(OpCatalog.all());
        for (OpCase c : cases) {
            if (!c.dtypes().contains(m.dtype())) {
                continue;
            }
            try {
                List<String> wrong =
                        Scope.run(() -> m.concerns(c.op(c.operands(CatalogRun.SEED, m.dtype(), Device.CPU)))
                                ? m.compare(c)
                                : List.<String>of());
                if (!wrong.isEmpty()) {
                    return wrong.getFirst();
                }
            } catch (RuntimeException e) {
                return c.name() + ": " + EmulatedSchedule.lastError();
            }
        }
        return null;
    }
}
