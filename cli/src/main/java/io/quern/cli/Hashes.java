package io.quern.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** SHA-256 of files and bytes, in hexadecimal. */
final class Hashes {
    private static final int CHUNK = 1 << 20;

    private Hashes() {}

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    static String of(byte[] bytes) {
        MessageDigest digest = sha256();
        digest.update(bytes);
        return hex(digest);
    }

    static String of(Path file) throws IOException {
        MessageDigest digest = sha256();
        ByteBuffer buffer = ByteBuffer.allocate(CHUNK);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            while (channel.read(buffer) >= 0) {
                digest.update(buffer.flip());
                buffer.clear();
            }
        }
        return hex(digest);
    }

    /**
     * What identifies an input of a run: {@code path, bytes, sha256}. Of a folder, the hash is over the names and hashes
     * of all files below it, in the order of their names; hidden ones do not count.
     */
    static Map<String, Object> input(String name, Path path) throws IOException {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("path", name);
        if (!Files.isDirectory(path)) {
            m.put("bytes", Files.size(path));
            m.put("sha256", of(path));
            return m;
        }
        MessageDigest digest = sha256();
        long bytes = 0;
        for (Path file : visible(path)) {
            String line = path.relativize(file).toString().replace('\\', '/') + " " + of(file) + "\n";
            digest.update(line.getBytes(java.nio.charset.StandardCharsets.UTF_8));
            bytes += Files.size(file);
        }
        m.put("bytes", bytes);
        m.put("sha256", hex(digest));
        return m;
    }

    private static List<Path> visible(Path folder) throws IOException {
        List<Path> files = new ArrayList<>();
        try (Stream<Path> all = Files.walk(folder)) {
            all.filter(Files::isRegularFile)
                    .filter(f -> Stream.iterate(f, p -> !p.equals(folder), Path::getParent)
                            .noneMatch(p -> p.getFileName().toString().startsWith(".")))
                    .sorted()
                    .forEach(files::add);
        }
        return files;
    }
}
