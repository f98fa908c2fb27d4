package io.quern.cuda.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.spi.Finding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DriverFindingsTest {
    /** With a driver or without one: nothing is thrown, and what is missing has a remedy. */
    @Test
    void allThatCudaNeedsIsNamed() {
        List<Finding> all = DriverFindings.all();
        List<String> names = all.stream().map(Finding::what).toList();
        assertTrue(
                names.containsAll(List.of("driver", "cuda", "jcuda", "cublas", "nvrtc", "kernel_cache")),
                names.toString());
        for (Finding f : all) {
            if (f.found().startsWith("not found")) {
                assertTrue(f.remedy().contains("install"), f.toString());
            }
        }
        assertTrue(all.get(names.indexOf("jcuda")).found().startsWith("12."), all.toString());
    }

    @Test
    void theDriversCacheIsWhereItsVariablesSay(@TempDir Path home) throws IOException {
        Finding none = DriverFindings.kernelCache(Map.of(), home);
        assertEquals(home.resolve(".nv/ComputeCache") + ", not there yet", none.found());
        assertNull(none.remedy());
        Path named = Files.createDirectory(home.resolve("cache"));
        Finding there = DriverFindings.kernelCache(Map.of("CUDA_CACHE_PATH", named.toString()), home);
        assertEquals(named.toString(), there.found());
        Finding off = DriverFindings.kernelCache(Map.of("CUDA_CACHE_DISABLE", "1"), home);
        assertFalse(off.remedy().isEmpty());
    }

    @Test
    void versionsAreComparedByTheirParts() {
        assertTrue(DriverFindings.number("12.10.0") > DriverFindings.number("12.9"));
        assertTrue(DriverFindings.number("13.0") > DriverFindings.number("12.6.0"));
    }
}
