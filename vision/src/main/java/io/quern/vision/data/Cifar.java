package io.quern.vision.data;

import io.quern.tensor.TensorException;
import io.quern.tensor.file.FileErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The binary version of CIFAR-10: records of a label byte and 32 x 32 red, green and blue bytes. */
public final class Cifar {
    private static final int SIDE = 32;
    private static final int PICTURE = 3 * SIDE * SIDE;
    private static final List<String> LABELS =
            List.of("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck");

    private Cifar() {}

    public static boolean exists(Path folder) {
        return Files.exists(folder.resolve("data_batch_1.bin"));
    }

    /**
     * Reads {@code data_batch_1.bin} and on for training, or {@code test_batch.bin}.
     *
     * @throws TensorException if a file is missing or broken
     */
    public static ImageSet read(Path folder, boolean training) {
        List<Path> files = new ArrayList<>();
        if (training) {
            for (int i = 1; Files.exists(folder.resolve("data_batch_" + i + ".bin")); i++) {
                files.add(folder.resolve("data_batch_" + i + ".bin"));
            }
        } else {
            files.add(folder.resolve("test_batch.bin"));
        }
        try {
            long records = 0;
            for (Path f : files) {
                long bytes = Files.size(f);
                if (bytes == 0 || bytes % (1 + PICTURE) != 0) {
                    throw new TensorException(f + " has " + bytes + " bytes, expected a multiple of " + (1 + PICTURE)
                            + ": a label and a picture in each record");
                }
                records += bytes / (1 + PICTURE);
            }
            byte[] pixels = new byte[ImageSet.checkedBytes(folder.toString(), records, PICTURE)];
            int[] classes = new int[(int) records];
            int n = 0;
            for (Path f : files) {
                byte[] all = Files.readAllBytes(f);
                for (int at = 0; at < all.length; at += 1 + PICTURE, n++) {
                    classes[n] = all[at] & 0xFF;
                    if (classes[n] >= LABELS.size()) {
                        throw new TensorException(f + ": label " + classes[n] + " at byte " + at + ", expected 0 to 9");
                    }
                    System.arraycopy(all, at + 1, pixels, n * PICTURE, PICTURE);
                }
            }
            return new ImageSet(SIDE, SIDE, 3, pixels, classes, LABELS);
        } catch (IOException e) {
            throw new TensorException(folder + ": CIFAR's files cannot be read: " + FileErrors.reason(e), e);
        }
    }
}
