package io.quern.architecture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Enforces the arrows of {@code docs/architecture.md} on the compiled classes of every module.
 *
 * <p>The build has no {@code module-info}, so this is what keeps {@code io.quern.tensor.cpu} and
 * {@code io.quern.cuda.driver} closed. A package that is not listed in {@link #ALLOWED} fails too: a new package must say
 * where it belongs.
 */
class ArchitectureTest {
    private static final Set<String> TENSOR = Set.of("io.quern.tensor", "io.quern.tensor.op", "io.quern.tensor.spi");
    private static final Set<String> TRAINING = union(TENSOR, "io.quern.tensor.file", "io.quern.nn", "io.quern.train");
    private static final Set<String> CORE =
            union(TRAINING, "io.quern.tensor.check", "io.quern.train.data", "io.quern.train.optim");
    private static final Set<String> TRANSFORMER = Set.of(
            "io.quern.transformer",
            "io.quern.transformer.model",
            "io.quern.transformer.text",
            "io.quern.transformer.generate",
            "io.quern.transformer.embed",
            "io.quern.transformer.hub");
    private static final Set<String> VISION =
            Set.of("io.quern.vision", "io.quern.vision.model", "io.quern.vision.data");

    /** What each package may use, besides itself and libraries. Of {@code jcuda} only what is named here. */
    private static final Map<String, Set<String>> ALLOWED = new TreeMap<>();

    static {
        TENSOR.forEach(p -> ALLOWED.put(p, TENSOR));
        ALLOWED.put("io.quern.tensor.quant", TENSOR);
        ALLOWED.put("io.quern.tensor.cpu", union(TENSOR, "io.quern.tensor.quant", "io.quern.tensor.cpu.x86"));
        ALLOWED.put("io.quern.tensor.cpu.x86", TENSOR);
        ALLOWED.put("io.quern.tensor.check", TENSOR);
        ALLOWED.put("io.quern.tensor.file", TENSOR);
        ALLOWED.put("io.quern.nn", TENSOR);
        Set<String> train = union(TRAINING, "io.quern.train.data", "io.quern.train.optim");
        Stream.of("io.quern.train", "io.quern.train.data", "io.quern.train.optim")
                .forEach(p -> ALLOWED.put(p, train));
        ALLOWED.put("io.quern.train.search", Set.of());
        ALLOWED.put(
                "io.quern.cuda",
                union(TENSOR, "io.quern.tensor.check", "io.quern.tensor.file", "io.quern.cuda.driver"));
        ALLOWED.put("io.quern.cuda.driver", union(TENSOR, "jcuda"));
        TRANSFORMER.forEach(p -> ALLOWED.put(p, union(CORE, TRANSFORMER)));
        VISION.forEach(p -> ALLOWED.put(p, union(union(CORE, TRANSFORMER), union(VISION, "io.quern.train.search"))));
        ALLOWED.put("io.quern.cli", union(union(CORE, TRANSFORMER), union(VISION, "io.quern.train.search")));
    }

    private static final Map<String, Pattern> MODULE_PACKAGES = Map.of(
            "tensor-core", Pattern.compile("io\\.quern\\.(tensor|nn|train)(\\..*)?"),
            "cuda-kernels", Pattern.compile("io\\.quern\\.cuda(\\..*)?"),
            "transformer", Pattern.compile("io\\.quern\\.transformer(\\..*)?"),
            "vision", Pattern.compile("io\\.quern\\.vision(\\..*)?"),
            "cli", Pattern.compile("io\\.quern\\.cli(\\..*)?"));

    private static Path root;
    private static Map<String, List<ClassReferences>> classesByModule;

    @BeforeAll
    static void readClasses() throws IOException {
        root = Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();
        classesByModule = new TreeMap<>();
        for (String module : MODULE_PACKAGES.keySet()) {
            classesByModule.put(module, readModule(root.resolve(module)));
        }
    }

    @Test
    void everyModuleOfTheBuildIsKnown() throws IOException {
        Set<String> declared = Pattern.compile("<module>(.*?)</module>")
                .matcher(Files.readString(root.resolve("pom.xml")))
                .results()
                .map((MatchResult m) -> m.group(1))
                .collect(Collectors.toSet());
        assertEquals(MODULE_PACKAGES.keySet(), declared, "modules of pom.xml against those this test reads");
    }

    @Test
    void modulesWithSourcesAreRead() {
        for (String module : Set.of("tensor-core", "transformer", "cli")) {
            assertFalse(classesByModule.get(module).isEmpty(), module + ": no classes read");
        }
        assertTrue(
                classesByModule.get("tensor-core").stream()
                        .anyMatch(c -> c.packageName().equals("io.quern.tensor")
                                && c.references().contains("io.quern.tensor.op")),
                "io.quern.tensor uses io.quern.tensor.op, but the reader of class files does not see it");
    }

    @Test
    void packagesLieInTheirModule() {
        Set<String> violations = new TreeSet<>();
        classesByModule.forEach((module, classes) -> classes.stream()
                .filter(c ->
                        !MODULE_PACKAGES.get(module).matcher(c.packageName()).matches())
                .forEach(c -> violations.add(module + " holds " + c.name())));
        assertEquals(Set.of(), violations);
    }

    @Test
    void packagesUseOnlyWhatTheyMay() {
        List<String> violations = new ArrayList<>();
        for (List<ClassReferences> classes : classesByModule.values()) {
            for (ClassReferences c : classes) {
                Set<String> allowed = ALLOWED.get(c.packageName());
                if (allowed == null) {
                    violations.add(c.name() + " is in a package without a rule: add it to ALLOWED");
                    continue;
                }
                for (String used : c.references()) {
                    if (!used.equals(c.packageName()) && !allowed.contains(used)) {
                        violations.add(c.name() + " uses " + used);
                    }
                }
            }
        }
        assertEquals(List.of(), violations, "arrows that docs/architecture.md does not allow");
    }

    private static List<ClassReferences> readModule(Path module) throws IOException {
        Path classes = module.resolve("target/classes");
        if (!Files.isDirectory(classes)) {
            assertFalse(
                    Files.isDirectory(module.resolve("src/main/java")),
                    classes + " is missing: compile all modules first (mvn test-compile)");
            return List.of();
        }
        try (Stream<Path> files = Files.walk(classes)) {
            return files.filter(f -> f.toString().endsWith(".class"))
                    .map(ClassReferences::read)
                    .toList();
        }
    }

    private static Set<String> union(Set<String> packages, Set<String> more) {
        return Stream.concat(packages.stream(), more.stream()).collect(Collectors.toUnmodifiableSet());
    }

    private static Set<String> union(Set<String> packages, String... more) {
        return union(packages, Set.of(more));
    }
}
