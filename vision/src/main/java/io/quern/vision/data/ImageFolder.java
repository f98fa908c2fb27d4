package io.quern.vision.data;

import io.quern.tensor.TensorException;
import io.quern.tensor.file.FileErrors;
import io.quern.vision.Image;
import io.quern.vision.Preprocessor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** A folder with a folder of pictures for each class. */
public final class ImageFolder {
    private ImageFolder() {}

    /** The picture files in a folder and those below it, sorted by path. */
    public static List<Path> files(Path folder) {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.filter(f -> Files.isRegularFile(f) && ImageFile.isNamedLikeOne(f))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new TensorException(folder + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /** The classes: names of the subfolders with pictures, sorted. */
    public static List<String> labels(Path folder) {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(f -> Files.isDirectory(f) && !files(f).isEmpty())
                    .map(f -> f.getFileName().toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new TensorException(folder + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /**
     * Reads all pictures, resized and cropped as {@code preprocessor} says.
     *
     * @param labels the classes by index, for a folder that need not have all of them; or null for those it has
     * @throws TensorException if there are none, one is broken, or a subfolder is not among the labels
     */
    public static ImageSet read(Path folder, Preprocessor preprocessor, int channels, List<String> labels) {
        List<String> found = labels(folder);
        List<String> names = labels == null ? found : labels;
        if (found.isEmpty()) {
            throw new TensorException(folder + ": there are no pictures; expected a folder for each class with PNG,"
                    + " JPEG, BMP, GIF or WebP files in it");
        }
        List<Path> files = new ArrayList<>();
        List<Integer> classes = new ArrayList<>();
        for (String name : found) {
            int index = names.indexOf(name);
            if (index < 0) {
                throw new TensorException(folder.resolve(name) + ": the model has no class of this name; it has "
                        + String.join(", ", names));
            }
            for (Path f : files(folder.resolve(name))) {
                files.add(f);
                classes.add(index);
            }
        }
        Image first = preprocessor.fit(ImageFile.read(files.getFirst()), channels);
        int each = first.pixels().length;
        byte[] pixels = new byte[ImageSet.checkedBytes(folder.toString(), files.size(), each)];
        java.util.stream.IntStream.range(0, files.size()).parallel().forEach(i -> {
            Image image = preprocessor.fit(ImageFile.read(files.get(i)), channels);
            if (image.width() != first.width() || image.height() != first.height()) {
                throw new TensorException(files.get(i) + " is " + image.width() + " x " + image.height()
                        + " after preprocessing, others " + first.width() + " x " + first.height()
                        + "; resize to a height and a width, or crop");
            }
            int plane = first.width() * first.height();
            for (int k = 0; k < each; k++) {
                pixels[i * each + k] = image.pixels()[k % plane * channels + k / plane];
            }
        });
        return new ImageSet(
                first.height(),
                first.width(),
                channels,
                pixels,
                classes.stream().mapToInt(c -> c).toArray(),
                names);
    }
}
