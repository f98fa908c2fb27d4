package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Runs the {@code quern} script in a made-up checkout, with scripts in the places of {@code java} and {@code mvn}. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the launcher is a script for a POSIX shell")
class LauncherTest {
    /** Shows how it was called, a line to an argument; then fails as asked. */
    private static final String FAKE_JAVA = """
        #!/bin/sh
        echo "java of $(dirname "$0")"
        for argument; do echo "<$argument>"; done
        echo noise >&2
        exit ${FAKE_EXIT:-0}
        """;

    /** Builds what the launcher looks for, unless there is an error to report. */
    private static final String FAKE_MVN = """
        #!/bin/sh
        echo built >> builds
        if [ -f broken ]; then
          echo '[ERROR] Broken.java:[1,2] no such symbol'
          echo '[ERROR] -> [Help 1]'
          exit 1
        fi
        mkdir -p cli/target/lib
        [ -f cli/target/cli-1.jar ] || touch cli/target/cli-1.jar
        """;

    private record Run(int exit, String out, String err) {}

    @TempDir
    private Path folder;

    private Path home;
    private Path jdk;
    private final Map<String, String> environment = new HashMap<>();

    @BeforeEach
    void makeCheckout() throws IOException {
        home = Files.createDirectories(folder.resolve("a checkout"));
        Path script =
                Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolveSibling("quern");
        Files.copy(script, home.resolve("quern"), StandardCopyOption.COPY_ATTRIBUTES);
        Files.writeString(home.resolve("pom.xml"), "<project/>");
        Files.createDirectories(home.resolve("cli/src/main"));
        Files.writeString(home.resolve("cli/src/main/Source.java"), "class Source {}");
        jdk = makeJdk("jdk", "25.0.1");
        writeScript(folder.resolve("bin/mvn"), FAKE_MVN);
        environment.put("QUERN_JAVA_HOME", jdk.toString());
        environment.put("PATH", folder.resolve("bin") + ":" + System.getenv("PATH"));
    }

    /** A kernel that is renamed would lose its flags without a word. */
    @Test
    void theKernelsThatItNamesExist() throws IOException {
        Path root = Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();
        String script = Files.readString(root.resolve("quern"));
        String list = script.substring(script.indexOf("kernels='") + 9);
        List<String> classes;
        try (Stream<Path> files = Files.list(root.resolve("tensor-core/target/classes/io/quern/tensor/cpu"))) {
            classes = files.map(f -> f.getFileName().toString()).toList();
        }
        for (String kernel : list.substring(0, list.indexOf('\'')).strip().split("\\s+")) {
            String name = kernel.substring(0, kernel.indexOf("::")).replace("*", "");
            assertTrue(classes.stream().anyMatch(c -> c.startsWith(name) && c.endsWith(".class")), kernel);
        }
    }

    @Test
    void passesArgumentsAndTheExitCode() throws Exception {
        environment.put("FAKE_EXIT", "7");

        Run run = launch("generate", "-p", "two words", "");

        assertEquals(7, run.exit());
        assertTrue(run.out().startsWith("java of " + jdk.resolve("bin")), run.out());
        assertTrue(run.out().endsWith("<io.quern.cli.Main>\n<generate>\n<-p>\n<two words>\n<>\n"), run.out());
        assertTrue(run.out().contains("<--add-modules>\n<jdk.incubator.vector>\n"), run.out());
    }

    @Test
    void startsThroughALinkFromAnotherFolder() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("a checkout/quern"));

        Run run = launch(link);

        assertEquals(0, run.exit(), run.err());
        assertTrue(run.out().contains("<" + home.toRealPath() + "/cli/target/cli-1.jar:"), run.out());
    }

    @Test
    void buildsOnceAndAgainAfterAChange() throws Exception {
        Run first = launch();
        Run second = launch();
        assertEquals("quern: building (first use, or the sources have changed) ...\n", first.err());
        assertEquals("", second.err());
        assertEquals(1, builds());

        setTime(home.resolve("cli/src/main/Source.java"), Instant.now().plusSeconds(2));
        setTime(home.resolve("cli/target/cli-1.jar"), Instant.now().minusSeconds(60));
        launch();
        assertEquals(2, builds());

        // The build above left the jar as it was, since nothing that goes into it had changed.
        setTime(home.resolve("cli/src/main/Source.java"), Instant.now().minusSeconds(30));
        launch();
        assertEquals(2, builds());
    }

    @Test
    void showsWhyABuildFailed() throws Exception {
        Files.createFile(home.resolve("broken"));

        Run run = launch();

        assertEquals(1, run.exit());
        assertEquals("", run.out());
        assertTrue(run.err().contains("\nBroken.java:[1,2] no such symbol\nquern: the build failed"), run.err());
        assertFalse(Files.exists(home.resolve("target/quern-build.lock"), LinkOption.NOFOLLOW_LINKS));
    }

    @Test
    void buildsDespiteTheLockOfADeadProcess() throws Exception {
        Process dead = new ProcessBuilder("true").start();
        dead.waitFor();
        Files.createDirectories(home.resolve("target"));
        Files.createSymbolicLink(home.resolve("target/quern-build.lock"), Path.of(Long.toString(dead.pid())));

        assertEquals(0, launch().exit());
        assertEquals(1, builds());
    }

    @Test
    void refusesANamedJdkThatIsTooOld() throws Exception {
        environment.put("QUERN_JAVA_HOME", makeJdk("old", "17.0.9").toString());

        Run run = launch();

        assertEquals(1, run.exit());
        assertEquals("quern: QUERN_JAVA_HOME=" + folder + "/old holds no JDK 25 or newer.\n", run.err());
    }

    @Test
    void prefersJavaHomeWhenItIsNewEnough() throws Exception {
        environment.remove("QUERN_JAVA_HOME");
        environment.put("JAVA_HOME", makeJdk("newer", "26").toString());

        Run run = launch();

        assertTrue(run.out().startsWith("java of " + folder.resolve("newer/bin")), run.out());
    }

    @Test
    void leavesOutAModuleThatTheRuntimeLacks() throws Exception {
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25\"\nMODULES=\"java.base java.logging\"\n");

        assertFalse(launch().out().contains("jdk.incubator.vector"));
    }

    @Test
    void hidesTheMessagesOfTheJvmUnlessOptionsAreGiven() throws Exception {
        launch();
        assertEquals("", launch().err());

        environment.put("QUERN_OPTS", "-Xmx1g -Dx=y");
        Run run = launch();
        assertEquals("noise\n", run.err());
        assertTrue(run.out().contains("<-Xmx1g>\n<-Dx=y>\n<-cp>"), run.out());
    }

    @Test
    void givesTheCommandItsStderr() throws Exception {
        environment.put("QUERN_JAVA_HOME", System.getProperty("java.home"));
        Files.createDirectories(home.resolve("cli/target/lib"));
        writeManifestJar(home.resolve("cli/target/cli-1.jar"));

        Run run = launch("nonsense");

        assertEquals(Main.USAGE, run.exit());
        assertEquals("", run.out());
        assertTrue(run.err().startsWith("quern: "), run.err());
        assertTrue(run.err().contains("nonsense"), run.err());
    }

    private Run launch(String... arguments) throws Exception {
        return launch(home.resolve("quern"), arguments);
    }

    private Run launch(Path script, String... arguments) throws Exception {
        List<String> command = Stream.concat(Stream.of("sh", script.toString()), Stream.of(arguments))
                .toList();
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().keySet().removeIf(name -> name.matches("_?(JAVA|JDK|QUERN).*"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("the launcher hangs; it wrote " + Files.readString(err));
        }
        return new Run(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    private long builds() throws IOException {
        try (Stream<String> lines = Files.lines(home.resolve("builds"))) {
            return lines.count();
        }
    }

    private Path makeJdk(String name, String version) throws IOException {
        Path made = folder.resolve(name);
        writeScript(made.resolve("bin/java"), FAKE_JAVA);
        Files.writeString(made.resolve("release"), "IMPLEMENTOR=\"Test\"\nJAVA_VERSION=\"" + version + "\"\n");
        return made;
    }

    private static void writeScript(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static void setTime(Path file, Instant time) throws IOException {
        Files.setLastModifiedTime(file, FileTime.from(time));
    }

    /** Writes a jar whose class path is that of this test. */
    private static void writeManifestJar(Path jar) throws IOException {
        String classPath = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(element -> Path.of(element).toUri().toString())
                .collect(Collectors.joining(" "));
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(Attributes.Name.CLASS_PATH, classPath);
        try (OutputStream file = Files.newOutputStream(jar);
                JarOutputStream written = new JarOutputStream(file, manifest)) {
            written.finish();
        }
    }
}
