package io.quern.vision.data;

import io.quern.tensor.TensorException;
import io.quern.tensor.file.FileErrors;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;

/** The format of MNIST: a big-endian header, then unsigned bytes; as it is or by gzip. */
public final class Idx {
    private static final int IMAGES = 0x803;
    private static final int LABELS = 0x801;

    private Idx() {}

    /** Whether a folder has the file of these images, {@code train} or {@code t10k}. */
    public static boolean exists(Path folder, String part) {
        return find(folder, part + "-images-idx3-ubyte") != null;
    }

    private static Path find(Path folder, String name) {
        for (String suffix : List.of("", ".gz")) {
            Path file = folder.resolve(name + suffix);
            if (Files.exists(file)) {
                return file;
            }
        }
        return null;
    }

    /**
     * Reads {@code PART-images-idx3-ubyte} and {@code PART-labels-idx1-ubyte}, with or without {@code .gz}. The classes are
     * 0 to the largest label.
     *
     * @param part {@code train} or {@code t10k}
     * @throws TensorException if a file is missing, broken or cut short
     */
    public static ImageSet read(Path folder, String part) {
        Path imageFile = find(folder, part + "-images-idx3-ubyte");
        Path labelFile = find(folder, part + "-labels-idx1-ubyte");
        if (imageFile == null || labelFile == null) {
            throw new TensorException(folder + " has no " + part + "-"
                    + (imageFile == null ? "images-idx3" : "labels-idx1") + "-ubyte, with or without .gz");
        }
        Array images = array(imageFile, IMAGES, 3);
        Array labels = array(labelFile, LABELS, 1);
        if (images.dims[0] != labels.dims[0]) {
            throw new TensorException(imageFile + " has " + images.dims[0] + " pictures, but " + labelFile + " has "
                    + labels.dims[0] + " labels");
        }
        int[] classes = new int[labels.bytes.length];
        int most = 0;
        for (int i = 0; i < classes.length; i++) {
            classes[i] = labels.bytes[i] & 0xFF;
            most = Math.max(most, classes[i]);
        }
        List<String> names =
                IntStream.rangeClosed(0, most).mapToObj(Integer::toString).toList();
        return new ImageSet(images.dims[1], images.dims[2], 1, images.bytes, classes, names);
    }

    private record Array(int[] dims, byte[] bytes) {}

    private static Array array(Path file, int magic, int rank) {
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(open(file)))) {
            int found = in.readInt();
            if (found != magic) {
                throw new TensorException(file + " begins with 0x" + Integer.toHexString(found) + ", expected 0x"
                        + Integer.toHexString(magic) + ": it is not an IDX file of "
                        + (magic == IMAGES ? "images" : "labels"));
            }
            int[] dims = new int[rank];
            long bytes = 1;
            for (int i = 0; i < rank; i++) {
                dims[i] = in.readInt();
                if (dims[i] < 1) {
                    throw new TensorException(file + ": dimension " + i + " is " + dims[i] + ", expected 1 or more");
                }
                bytes = bytes > ImageSet.MOST_BYTES ? bytes : bytes * dims[i];
            }
            byte[] data = in.readNBytes(ImageSet.checkedBytes(file.toString(), 1, bytes));
            if (data.length != bytes || in.read() >= 0) {
                throw new TensorException(file + ": expected " + bytes + " bytes after the header, found "
                        + (data.length < bytes ? "only " + data.length : "more"));
            }
            return new Array(dims, data);
        } catch (EOFException e) {
            throw new TensorException(file + " is cut short", e);
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    private static InputStream open(Path file) throws IOException {
        InputStream raw = Files.newInputStream(file);
        try {
            PushbackInputStream in = new PushbackInputStream(new BufferedInputStream(raw), 2);
            byte[] magic = in.readNBytes(2);
            in.unread(magic);
            boolean gzip = magic.length == 2 && (magic[0] & 0xFF) == 0x1F && (magic[1] & 0xFF) == 0x8B;
            return gzip ? new GZIPInputStream(in, 1 << 16) : in;
        } catch (IOException e) {
            raw.close();
            throw e;
        }
    }
}
