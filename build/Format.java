import com.palantir.javaformat.java.Formatter;
import com.palantir.javaformat.java.FormatterException;
import com.palantir.javaformat.java.JavaFormatterOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Checks the format of Java files, or mends it: {@code Format check|apply|off ROOT [FILE...]}; without files, all of the
 * project. The build runs this on JDK 25, because a formatter can only parse the language of the JVM that it runs on, and
 * Maven's own may be older. Sources that were found well formatted are remembered by their hashes in
 * {@code target/format-checked}.
 */
public final class Format {
    public static void main(String[] args) throws IOException {
        String mode = args[0];
        if (mode.equals("off")) {
            return;
        }
        if (!Set.of("check", "apply").contains(mode)) {
            System.err.println("-Dformat=" + mode + " is unknown: use check, apply or off");
            System.exit(1);
        }
        Path root = Path.of(args[1]);
        List<Path> files =
                args.length > 2 ? Stream.of(args).skip(2).map(Path::of).toList() : sources(root);
        Path memory = root.resolve("target/format-checked");
        Set<String> known = new TreeSet<>(Files.exists(memory) ? Files.readAllLines(memory) : List.of());
        Formatter formatter = null;
        List<Path> bad = new ArrayList<>();
        boolean broken = false;
        for (Path file : files) {
            String source = Files.readString(file);
            if (known.contains(hash(source))) {
                continue;
            }
            if (formatter == null) {
                formatter = Formatter.createFormatter(JavaFormatterOptions.builder()
                        .style(JavaFormatterOptions.Style.PALANTIR)
                        .build());
            }
            try {
                String formatted = formatter.formatSourceAndFixImports(source);
                if (!formatted.equals(source)) {
                    bad.add(file);
                    if (mode.equals("apply")) {
                        replace(file, formatted);
                    }
                }
                if (formatted.equals(source) || mode.equals("apply")) {
                    known.add(hash(formatted));
                }
            } catch (FormatterException e) {
                System.err.println("cannot be parsed: " + file + ": " + e.getMessage());
                broken = true;
            }
        }
        Files.createDirectories(memory.getParent());
        Files.write(memory, known);
        for (Path file : bad) {
            System.err.println((mode.equals("apply") ? "formatted: " : "badly formatted: ") + file);
        }
        if (mode.equals("check") && !bad.isEmpty()) {
            System.err.println("to format all files, run: mvn -q -N validate -Dformat=apply");
        }
        System.exit(broken || mode.equals("check") && !bad.isEmpty() ? 1 : 0);
    }

    private static List<Path> sources(Path root) throws IOException {
        List<Path> found = new ArrayList<>();
        List<Path> folders = new ArrayList<>(List.of(root.resolve("build")));
        try (Stream<Path> modules = Files.list(root)) {
            modules.map(m -> m.resolve("src")).filter(Files::isDirectory).forEach(folders::add);
        }
        for (Path folder : folders) {
            try (Stream<Path> all = Files.walk(folder)) {
                all.filter(f -> f.toString().endsWith(".java")).sorted().forEach(found::add);
            }
        }
        return found;
    }

    private static void replace(Path file, String text) throws IOException {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        Files.writeString(temporary, text);
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static String hash(String source) {
        // The class path names the formatter's version: another one may find the same source badly formatted.
        String text = System.getProperty("java.class.path") + source;
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
