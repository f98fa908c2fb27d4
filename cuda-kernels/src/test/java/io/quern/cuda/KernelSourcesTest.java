package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** The PTX that is kept is that of the sources beside it. */
class KernelSourcesTest {
    @Test
    void theHashIsThatOfTheSources() throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        for (String extension : List.of(".cu", ".cuh")) {
            for (Path p : files(extension)) {
                digest.update(Files.readAllBytes(p));
            }
        }
        assertEquals(
                Files.readString(EmulatorBuild.KERNELS.resolve("kernels.sha256"))
                        .strip(),
                HexFormat.of().formatHex(digest.digest()),
                "a kernel was changed: run scripts/build-kernels.sh, which needs nvcc");
    }

    @Test
    void everyFamilyHasPtxThatOldDriversTake() throws Exception {
        for (Path source : files(".cu")) {
            Path ptx = source.resolveSibling(source.getFileName().toString().replace(".cu", ".ptx.gz"));
            try (var in = new GZIPInputStream(new ByteArrayInputStream(Files.readAllBytes(ptx)))) {
                String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                boolean hopper = Files.readString(source).contains("#include \"hopper.cuh\"");
                String start = hopper ? ".version 8.0\n.target sm_90a\n" : ".version 7.0\n.target sm_80\n";
                assertTrue(text.startsWith(start), ptx + ": " + text.substring(0, 40));
            }
        }
    }

    private static List<Path> files(String extension) throws Exception {
        try (Stream<Path> all = Files.list(EmulatorBuild.KERNELS)) {
            return all.filter(p -> p.toString().endsWith(extension))
                    .sorted(Comparator.comparing(Path::toString))
                    .toList();
        }
    }
}
