package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.spi.Finding;
import io.quern.transformer.hub.HfCache;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code quern doctor} finds, on this machine and on made-up ones. */
class DoctorTest {
    @TempDir
    private Path folder;

    private static String quern(String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), out, new ByteArrayOutputStream(), false);
        assertEquals(0, Main.execute(output, args));
        return out.toString(StandardCharsets.UTF_8);
    }

    private void file(String path, String text) throws IOException {
        Path p = folder.resolve(path);
        Files.createDirectories(p.getParent());
        Files.writeString(p, text + "\n");
    }

    private static Finding of(List<Finding> findings, String what) {
        return findings.stream().filter(f -> f.what().equals(what)).findFirst().orElseThrow();
    }

    @Test
    void everySectionIsThereAsTextAndJson() throws IOException {
        JsonNode all = new ObjectMapper().readTree(quern("doctor", "--json"));
        for (String section : List.of("quern", "java", "machine", "devices", "cpu", "cuda", "models", "missing")) {
            assertTrue(all.has(section), section + " in " + all);
        }
        for (String what : List.of("driver", "cublas", "nvrtc", "jcuda", "kernel_cache")) {
            assertTrue(all.get("cuda").has(what), what);
        }
        assertTrue(all.get("cpu").get("vectors").asText().matches("\\d+ bits, \\d+ floats"));
        String text = quern("doctor");
        assertTrue(text.contains("\nmachine\n"), text);
        for (JsonNode m : all.get("missing")) {
            assertTrue(text.contains(m.get("remedy").asText()), text);
        }
    }

    @Test
    void compileCommandsAreCountedAndNotListed() {
        List<String> options = List.of("-Xmx8g", "-XX:CompileCommand=quiet", "-XX:CompileCommand=a,b,1", "-Dx=y");
        assertEquals(
                "-Xmx8g -Dx=y and 2 compile commands (--verbose shows them)",
                DoctorJava.options(options, false).found());
        assertEquals(
                String.join(" ", options), DoctorJava.options(options, true).found());
        assertTrue(DoctorJava.options(List.of("-Xmx8g"), false).remedy().contains("quern script"));
    }

    @Test
    void cachesAreReadFromSys() throws IOException {
        String cpu = "sys/devices/system/cpu/cpu0/cache/";
        file(cpu + "index0/level", "1");
        file(cpu + "index0/type", "Data");
        file(cpu + "index0/size", "48K");
        file(cpu + "index0/shared_cpu_list", "0");
        file(cpu + "index1/level", "3");
        file(cpu + "index1/type", "Unified");
        file(cpu + "index1/size", "32768K");
        file(cpu + "index1/shared_cpu_list", "0-7,16-23");
        assertEquals("L1d 48K, L3 32768K shared by 16", new DoctorMachine(folder).caches());
        assertEquals("unknown", new DoctorMachine(folder.resolve("none")).caches());
        assertEquals(0, DoctorMachine.count("unknown"));
    }

    @Test
    void limitsOfControlGroupsOfBothVersionsCount() throws IOException {
        DoctorMachine machine = new DoctorMachine(folder);
        assertEquals("no limits", machine.container());
        file("proc/self/cgroup", "0::/a/b");
        file("sys/fs/cgroup/a/memory.max", "1073741824");
        file("sys/fs/cgroup/a/b/memory.max", "max");
        file("sys/fs/cgroup/a/b/cpu.max", "150000 100000");
        assertEquals("limited to 1024 MiB of memory, 1.50 processors", machine.container());
        file("proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/x\n0::/");
        file("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712");
        file("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648");
        file("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1");
        file("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000");
        assertEquals("limited to 2048 MiB of memory", machine.container());
    }

    @Test
    void modelsOfTheCacheAreNamedWithWhatTheyLack() throws IOException {
        HfCache cache = new HfCache(folder);
        assertTrue(of(DoctorModels.findings(cache), "hugging_face").remedy().contains("hf download"));
        file("models--org--whole/refs/main", "0123456789012345678901234567890123456789");
        String snapshot = "models--org--whole/snapshots/0123456789012345678901234567890123456789/";
        file(snapshot + "config.json", "{}");
        file(snapshot + "model.safetensors", "");
        file("models--org--part/refs/main", "0123456789012345678901234567890123456789");
        file("models--org--part/snapshots/0123456789012345678901234567890123456789/config.json", "{}");
        file("datasets--org--other/refs/main", "x");
        List<Finding> found = DoctorModels.findings(cache);
        assertEquals(folder + ": 2 models", of(found, "hugging_face").found());
        assertNull(of(found, "hugging_face").remedy());
        assertEquals("complete", of(found, "org/whole").found());
        assertTrue(of(found, "org/part").found().contains("model.safetensors"));
        assertFalse(found.stream().anyMatch(f -> f.what().contains("other")));
    }
}
