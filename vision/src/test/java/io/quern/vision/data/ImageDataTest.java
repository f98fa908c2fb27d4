package io.quern.vision.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.TensorException;
import io.quern.train.data.Prefetch;
import io.quern.vision.Preprocessor;
import io.quern.vision.TestImages;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Data sets from files, and batches of them. */
class ImageDataTest {
    @TempDir
    private Path folder;

    private static byte[] images(int n, int h, int w) {
        ByteBuffer b = ByteBuffer.allocate(16 + n * h * w)
                .putInt(0x803)
                .putInt(n)
                .putInt(h)
                .putInt(w);
        for (int i = 0; i < n * h * w; i++) {
            b.put((byte) (i * 7));
        }
        return b.array();
    }

    private static byte[] labels(int... labels) {
        ByteBuffer b = ByteBuffer.allocate(8 + labels.length).putInt(0x801).putInt(labels.length);
        for (int l : labels) {
            b.put((byte) l);
        }
        return b.array();
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream z = new GZIPOutputStream(out)) {
            z.write(bytes);
        }
        return out.toByteArray();
    }

    private void write(String name, byte[] bytes) throws IOException {
        Files.write(folder.resolve(name), bytes);
    }

    @Test
    void idxIsReadPlainAndZipped() throws IOException {
        write("train-images-idx3-ubyte", images(3, 2, 4));
        write("train-labels-idx1-ubyte.gz", gzip(labels(1, 0, 3)));
        assertTrue(Idx.exists(folder, "train"));
        ImageSet set = Idx.read(folder, "train");
        assertEquals(3, set.size());
        assertEquals(4, set.width());
        assertArrayEquals(new int[] {1, 0, 3}, set.classes());
        assertEquals(List.of("0", "1", "2", "3"), set.labels());
        assertEquals(9 * 7 & 0xFF, set.image(1).at(1, 0, 0));
    }

    @Test
    void brokenIdxIsAnError() throws IOException {
        byte[] good = images(3, 2, 4);
        write("train-labels-idx1-ubyte", labels(1, 0, 3));
        for (byte[] bad : List.of(
                java.util.Arrays.copyOf(good, 20),
                java.util.Arrays.copyOf(good, 7),
                java.util.Arrays.copyOf(good, good.length + 1),
                images(2, 2, 4),
                labels(1, 2, 3),
                ByteBuffer.allocate(16)
                        .putInt(0x803)
                        .putInt(1 << 30)
                        .putInt(1 << 30)
                        .putInt(1 << 30)
                        .array())) {
            write("train-images-idx3-ubyte", bad);
            assertThrows(TensorException.class, () -> Idx.read(folder, "train"));
        }
    }

    @Test
    void cifarIsRead() throws IOException {
        ByteBuffer b = ByteBuffer.allocate(2 * 3073);
        b.put(0, (byte) 3)
                .put(1, (byte) 11)
                .put(1 + 1024, (byte) 22)
                .put(1 + 2048, (byte) 33)
                .put(3073, (byte) 9);
        write("data_batch_1.bin", b.array());
        ImageSet set = Cifar.read(folder, true);
        assertEquals(2, set.size());
        assertEquals("cat", set.labels().get(set.classes()[0]));
        assertEquals(22, set.image(0).at(0, 0, 1));
        b.put(3073, (byte) 10);
        write("data_batch_1.bin", b.array());
        assertThrows(TensorException.class, () -> Cifar.read(folder, true));
        write("data_batch_1.bin", new byte[100]);
        assertThrows(TensorException.class, () -> Cifar.read(folder, true));
    }

    @Test
    void foldersAreClasses() throws IOException {
        Preprocessor p = Preprocessor.of(8);
        assertThrows(TensorException.class, () -> ImageFolder.read(folder, p, 3, null));
        for (String name : List.of("b/x.png", "a/y.png", "a/z.jpg")) {
            Path file = folder.resolve(name);
            Files.createDirectories(file.getParent());
            Files.copy(TestImages.path("/images/" + (name.endsWith("jpg") ? "smooth.jpg" : "colour.png")), file);
        }
        Files.createDirectories(folder.resolve("empty"));
        Files.writeString(folder.resolve("a/notes.txt"), "not a picture");
        ImageSet set = ImageFolder.read(folder, p, 3, null);
        assertEquals(List.of("a", "b"), set.labels());
        assertArrayEquals(new int[] {0, 0, 1}, set.classes());
        assertArrayEquals(
                p.fit(ImageFile.read(folder.resolve("b/x.png")), 3).pixels(),
                set.image(2).pixels());
        assertThrows(TensorException.class, () -> ImageFolder.read(folder, p, 3, List.of("a")));
        Files.copy(TestImages.path("/images/text.png"), folder.resolve("a/bad.png"));
        TensorException e = assertThrows(TensorException.class, () -> ImageFolder.read(folder, p, 3, null));
        assertTrue(e.getMessage().contains("bad.png"), e::getMessage);
    }

    private static ImageSet set(int n) {
        byte[] pixels = new byte[n * 64];
        int[] classes = new int[n];
        for (int i = 0; i < n; i++) {
            classes[i] = i % 2;
            java.util.Arrays.fill(pixels, i * 64, (i + 1) * 64, (byte) (10 * i + 5));
        }
        return new ImageSet(8, 8, 1, pixels, classes, List.of("even", "odd"));
    }

    @Test
    void anEpochTakesEachPictureOnce() {
        ImageBatches b = ImageBatches.shuffled(set(12), Preprocessor.of(8), Augmentation.NONE, 4, 1, Device.CPU);
        boolean[] seen = new boolean[12];
        Scope.run(() -> {
            for (int i = 0; i < b.perEpoch(); i++) {
                ImageBatch batch = b.batch(i);
                float[] x = batch.pixels().toFloats();
                int[] classes = batch.targets().toInts();
                for (int k = 0; k < 4; k++) {
                    int which = Math.round(((x[k * 64] * 0.5f + 0.5f) * 255 - 5) / 10);
                    assertEquals(which % 2, classes[k]);
                    assertTrue(!seen[which]);
                    seen[which] = true;
                }
            }
            assertArrayEquals(
                    b.batch(2).pixels().toFloats(), b.batch(2).pixels().toFloats());
            assertTrue(java.util.Arrays.mismatch(
                                    b.batch(0).targets().toInts(),
                                    b.batch(3).targets().toInts())
                            >= 0
                    || java.util.Arrays.mismatch(
                                    b.batch(0).pixels().toFloats(),
                                    b.batch(3).pixels().toFloats())
                            >= 0);
            return null;
        });
    }

    @Test
    void shiftsAreWholePixelsAndFillWithBlack() {
        byte[] pixels = new byte[64];
        pixels[3 * 8 + 4] = (byte) 200;
        ImageSet one = new ImageSet(8, 8, 1, pixels, new int[1], List.of("dot"));
        float[] to = new float[64];
        Augmentation shift = new Augmentation(2, 0, 0, false, 0, 0, false);
        boolean moved = false;
        for (int i = 0; i < 20; i++) {
            shift.draw(one, 0, new Rng(i), to, 0);
            int at = -1;
            for (int k = 0; k < 64; k++) {
                if (to[k] != 0) {
                    assertEquals(200, to[k]);
                    assertEquals(-1, at, "one pixel stays one pixel");
                    at = k;
                }
            }
            assertTrue(Math.abs(at / 8 - 3) <= 2 && Math.abs(at % 8 - 4) <= 2, "moved to " + at);
            moved |= at != 3 * 8 + 4;
        }
        assertTrue(moved);
    }

    @Test
    void mixturesKeepTheirShares() {
        for (Augmentation a : List.of(
                new Augmentation(0, 0, 0, false, 0, 0.8, false), new Augmentation(0, 0, 0, false, 0, 0, true))) {
            ImageBatches b = ImageBatches.shuffled(set(6), Preprocessor.of(8), a, 6, 3, Device.CPU);
            ImageBatches plain = ImageBatches.shuffled(set(6), Preprocessor.of(8), Augmentation.NONE, 6, 3, Device.CPU);
            Scope.run(() -> {
                for (int i = 0; i < 5; i++) {
                    ImageBatch mixed = b.batch(i);
                    float[] x = plain.batch(i).pixels().toFloats();
                    float[] y = mixed.pixels().toFloats();
                    double mean = 0;
                    for (int k = 0; k < 64; k++) {
                        mean += y[k] / 64;
                    }
                    assertEquals(mixed.share() * x[0] + (1 - mixed.share()) * x[64], mean, 1e-4);
                    assertEquals(
                            plain.batch(i).targets().toInts()[1], mixed.others().toInts()[0]);
                }
                return null;
            });
        }
    }

    @Test
    void preparingAheadChangesNoBit() {
        Augmentation a = new Augmentation(1, 10, 0.1, true, 0.5, 0.8, true);
        ImageBatches b = ImageBatches.shuffled(set(12), Preprocessor.of(8), a, 4, 3, Device.CPU);
        ImageBatches same = ImageBatches.shuffled(set(12), Preprocessor.of(8), a, 4, 3, Device.CPU);
        try (Prefetch<ImageBatch> ahead = new Prefetch<>(same, 2)) {
            for (int i = 0; i < 8; i++) {
                int index = i;
                Scope.run(() -> {
                    ImageBatch expected = b.batch(index);
                    ImageBatch got = ahead.batch(index);
                    assertArrayEquals(expected.pixels().toFloats(), got.pixels().toFloats());
                    assertArrayEquals(expected.targets().toInts(), got.targets().toInts());
                    assertEquals(expected.share(), got.share());
                    return null;
                });
            }
        }
        assertEquals(b.fingerprint(), same.fingerprint());
        assertTrue(b.fingerprint().startsWith("12 pictures of 1 x 8 x 8, crc32c"), b.fingerprint());
    }
}
