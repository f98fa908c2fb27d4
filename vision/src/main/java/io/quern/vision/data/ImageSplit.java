package io.quern.vision.data;

import io.quern.tensor.TensorException;
import io.quern.vision.Preprocessor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The pictures to train on and those to measure by, found in a folder: MNIST's IDX files, CIFAR-10's binary files, folders
 * {@code train} and {@code test} (or {@code val}) of class folders, or class folders alone, of each of which every tenth
 * picture is kept for the test; a class of one picture has none to spare.
 *
 * @param train to train on
 * @param test to measure by
 * @param preprocessor that made and is to normalise them
 */
public record ImageSplit(ImageSet train, ImageSet test, Preprocessor preprocessor) {
    private static final int HELD_OUT = 10;

    /**
     * Reads both parts.
     *
     * @param size to which pictures of class folders are resized
     * @param channels of pictures of class folders
     * @throws TensorException if there is no data set in the folder, or a broken one
     */
    public static ImageSplit read(Path folder, int size, int channels) {
        if (!Files.isDirectory(folder)) {
            throw new TensorException(
                    folder + (Files.exists(folder) ? " is a file, not a folder" : ": no such folder"));
        }
        if (Idx.exists(folder, "train")) {
            ImageSet train = Idx.read(folder, "train");
            return new ImageSplit(train, Idx.read(folder, "t10k"), normalising(train));
        }
        if (Cifar.exists(folder)) {
            ImageSet train = Cifar.read(folder, true);
            return new ImageSplit(train, Cifar.read(folder, false), normalising(train));
        }
        Preprocessor p = Preprocessor.of(size);
        Path train = folder.resolve("train");
        if (Files.isDirectory(train)) {
            ImageSet set = ImageFolder.read(train, p, channels, null);
            return new ImageSplit(set, ImageFolder.read(testFolder(folder), p, channels, set.labels()), p);
        }
        return heldOut(ImageFolder.read(folder, p, channels, null), p);
    }

    /** The pictures to measure a model by, preprocessed as it wants. */
    public static ImageSet test(Path folder, Preprocessor p, int channels, List<String> labels) {
        if (!Files.isDirectory(folder)) {
            throw new TensorException(
                    folder + (Files.exists(folder) ? " is a file, not a folder" : ": no such folder"));
        }
        if (Idx.exists(folder, "t10k")) {
            return Idx.read(folder, "t10k");
        }
        if (Files.exists(folder.resolve("test_batch.bin"))) {
            return Cifar.read(folder, false);
        }
        boolean split = Files.isDirectory(folder.resolve("train"));
        return ImageFolder.read(split ? testFolder(folder) : folder, p, channels, labels);
    }

    private static Path testFolder(Path folder) {
        for (String name : List.of("test", "val", "validation")) {
            if (Files.isDirectory(folder.resolve(name))) {
                return folder.resolve(name);
            }
        }
        throw new TensorException(folder + " has a folder train, but none called test, val or validation");
    }

    private static Preprocessor normalising(ImageSet set) {
        if (set.height() != set.width()) {
            throw new TensorException(
                    "pictures of " + set.width() + " x " + set.height() + ": models take square ones");
        }
        Preprocessor p = Preprocessor.of(set.width());
        double border = 0;
        for (int i = 0; i < Math.min(100, set.size()); i++) {
            border = Math.max(border, set.image(i).borderMean());
        }
        // Strokes on black, up to all edges.
        return set.channels() == 1 && border < 32 ? p.onDarkGround() : p;
    }

    private static ImageSplit heldOut(ImageSet all, Preprocessor p) {
        List<Integer> train = new ArrayList<>();
        List<Integer> test = new ArrayList<>();
        int[] seen = new int[all.labels().size()];
        for (int i = 0; i < all.size(); i++) {
            int c = all.classes()[i];
            (++seen[c] % HELD_OUT == 0 ? test : train).add(i);
        }
        for (int c = 0; c < seen.length; c++) {
            if (seen[c] > 1 && seen[c] < HELD_OUT) {
                // The last one of a small class.
                for (int k = train.size() - 1; k >= 0; k--) {
                    if (all.classes()[train.get(k)] == c) {
                        test.add(train.remove(k));
                        break;
                    }
                }
            }
        }
        if (test.isEmpty()) {
            throw new TensorException("no class has two pictures, so none can be kept for the test; add pictures");
        }
        return new ImageSplit(part(all, train), part(all, test), p);
    }

    private static ImageSet part(ImageSet all, List<Integer> which) {
        int each = all.bytesEach();
        byte[] pixels = new byte[which.size() * each];
        int[] classes = new int[which.size()];
        for (int i = 0; i < classes.length; i++) {
            System.arraycopy(all.pixels(), which.get(i) * each, pixels, i * each, each);
            classes[i] = all.classes()[which.get(i)];
        }
        return new ImageSet(all.height(), all.width(), all.channels(), pixels, classes, all.labels());
    }
}
