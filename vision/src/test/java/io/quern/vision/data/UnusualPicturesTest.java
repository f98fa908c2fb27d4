package io.quern.vision.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.TensorException;
import io.quern.vision.Image;
import io.quern.vision.Preprocessor;
import io.quern.vision.TestImages;
import java.awt.Transparency;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pictures that cameras, scanners and jokers make: tiny, huge, of 16 bits, of four inks; and data sets of next to none. */
class UnusualPicturesTest {
    @TempDir
    private Path folder;

    @Test
    void sixteenBitsOfColourBecomeTheUpperEight() throws IOException {
        ColorModel model = new ComponentColorModel(
                ColorSpace.getInstance(ColorSpace.CS_sRGB), false, false, Transparency.OPAQUE, DataBuffer.TYPE_USHORT);
        WritableRaster raster = model.createCompatibleWritableRaster(5, 4);
        int[] samples = new int[60];
        byte[] expected = new byte[60];
        for (int i = 0; i < 60; i++) {
            samples[i] = i * 1111 + 37;
            expected[i] = (byte) (samples[i] >> 8);
        }
        raster.setPixels(0, 0, 5, 4, samples);
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        ImageIO.write(new BufferedImage(model, raster, false, null), "png", png);
        // The header's bit depth: the test is about nothing else.
        assertEquals(16, png.toByteArray()[24]);
        Image image = ImageFile.decode("deep.png", png.toByteArray());
        assertEquals(3, image.channels());
        assertArrayEquals(expected, image.pixels());
    }

    /**
     * Four channels written as they are, with Adobe's marker that says what they mean: 0 for CMYK, 2 for YCCK, both
     * inverted, so that white is 255.
     */
    private static byte[] fourInks(int[] samples, int side, int transform) throws IOException {
        WritableRaster raster = Raster.createInterleavedRaster(DataBuffer.TYPE_BYTE, side, side, 4, null);
        raster.setPixels(0, 0, side, side, samples);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
        var quality = writer.getDefaultWriteParam();
        quality.setCompressionMode(javax.imageio.ImageWriteParam.MODE_EXPLICIT);
        quality.setCompressionQuality(1);
        try (ImageOutputStream out = ImageIO.createImageOutputStream(bytes)) {
            writer.setOutput(out);
            writer.write(null, new IIOImage(raster, null, null), quality);
        } finally {
            writer.dispose();
        }
        byte[] plain = bytes.toByteArray();
        byte[] adobe = {(byte) 0xFF, (byte) 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, (byte) transform};
        byte[] all = new byte[plain.length + adobe.length];
        System.arraycopy(plain, 0, all, 0, 2);
        System.arraycopy(adobe, 0, all, 2, adobe.length);
        System.arraycopy(plain, 2, all, 2 + adobe.length, plain.length - 2);
        return all;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void fourInksBecomeRedGreenAndBlue(int transform) throws IOException {
        int side = 16;
        int[] samples = new int[side * side * 4];
        int[][] expected = new int[side * side][3];
        for (int i = 0; i < side * side; i++) {
            // Light that each ink lets through, and the black one.
            int[] light = {40 + 8 * (i % side), 200 - 6 * (i / side), 90 + 4 * (i % side)};
            int black = 255 - 3 * (i / side);
            int[] stored = light.clone();
            if (transform == 2) {
                double r = 255 - light[0];
                double g = 255 - light[1];
                double b = 255 - light[2];
                double y = 0.299 * r + 0.587 * g + 0.114 * b;
                stored = new int[] {
                    (int) Math.round(y),
                    (int) Math.round(128 + (b - y) / 1.772),
                    (int) Math.round(128 + (r - y) / 1.402)
                };
            }
            for (int c = 0; c < 3; c++) {
                samples[4 * i + c] = stored[c];
                expected[i][c] = light[c] * black / 255;
            }
            samples[4 * i + 3] = black;
        }
        Image image = ImageFile.decode("inks.jpg", fourInks(samples, side, transform));
        assertEquals(3, image.channels());
        for (int i = 0; i < side * side; i++) {
            for (int c = 0; c < 3; c++) {
                assertEquals(expected[i][c], image.at(i % side, i / side, c), 6, "pixel " + i + ", channel " + c);
            }
        }
    }

    private static long allocated() {
        return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }

    /** Files of a few bytes whose headers promise 20,000 x 20,000 pixels. */
    private static byte[] huge(String format) {
        int side = 20_000;
        return switch (format) {
            case "png" -> {
                ByteBuffer b = ByteBuffer.allocate(8 + 25 + 12);
                b.put(new byte[] {(byte) 0x89, 'P', 'N', 'G', 13, 10, 26, 10});
                b.putInt(13).put("IHDR".getBytes()).putInt(side).putInt(side).put(new byte[] {8, 2, 0, 0, 0});
                CRC32 crc = new CRC32();
                crc.update(b.array(), 12, 17);
                b.putInt((int) crc.getValue());
                yield b.putInt(0).put("IDAT".getBytes()).putInt(0x35AF061E).array();
            }
            case "bmp" -> {
                ByteBuffer b = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
                b.put((byte) 'B').put((byte) 'M').putInt(64).putInt(0).putInt(54);
                b.putInt(40).putInt(side).putInt(side).putShort((short) 1).putShort((short) 24);
                yield b.array();
            }
            case "gif" -> {
                ByteBuffer b = ByteBuffer.allocate(40).order(ByteOrder.LITTLE_ENDIAN);
                b.put("GIF89a".getBytes())
                        .putShort((short) side)
                        .putShort((short) side)
                        .put(new byte[] {0, 0, 0});
                b.put((byte) ',')
                        .putInt(0)
                        .putShort((short) side)
                        .putShort((short) side)
                        .put(new byte[] {0, 2, 1, 0});
                yield b.array();
            }
            default -> {
                ByteBuffer b = ByteBuffer.allocate(40);
                b.putShort((short) 0xFFD8)
                        .putShort((short) 0xFFC0)
                        .putShort((short) 17)
                        .put((byte) 8);
                b.putShort((short) side).putShort((short) side).put((byte) 3);
                b.put(new byte[] {1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0});
                yield b.putShort((short) 0xFFDA).array();
            }
        };
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "bmp", "gif", "jpg"})
    void hugePicturesAreRefusedBeforeMemoryIsTaken(String format) {
        byte[] bytes = huge(format);
        long before = allocated();
        TensorException e = assertThrows(TensorException.class, () -> ImageFile.decode("huge." + format, bytes));
        assertTrue(allocated() - before < 16 << 20, "bytes: " + (allocated() - before));
        assertTrue(e.getMessage().startsWith("huge." + format), e::getMessage);
        if (List.of("png", "gif").contains(format)) { // the other readers find more that is wrong first
            assertTrue(e.getMessage().contains("20000 x 20000"), e::getMessage);
        }
    }

    @Test
    void onePixelIsEnough() {
        Image one = ImageFile.read(TestImages.path("/images/one.png"));
        assertEquals(1, one.width() * one.height());
        Scope.run(() -> {
            for (Preprocessor p : List.of(
                    Preprocessor.of(28).onDarkGround(),
                    new Preprocessor(
                            new Preprocessor.Size(32, 0), 3, 28, 28, 1.0 / 255, List.of(0.5), List.of(0.5), false))) {
                var pixels = p.apply(one, 3);
                assertEquals(Shape.of(1, 3, 28, 28), pixels.shape());
                float[] x = pixels.toFloats();
                for (int i = 0; i < x.length; i++) {
                    assertEquals(x[i / 784 * 784], x[i], 1e-6);
                }
            }
            return null;
        });
    }

    private void copy(String... names) throws IOException {
        for (String name : names) {
            Path to = folder.resolve(name);
            Files.createDirectories(to.getParent());
            Files.copy(TestImages.path("/images/colour.png"), to);
        }
    }

    @Test
    void aClassOfOnePictureHasNoneToSpare() throws IOException {
        copy("one/a.png", "two/a.png", "two/b.png");
        ImageSplit split = ImageSplit.read(folder, 8, 3);
        assertEquals(List.of("one", "two"), split.train().labels());
        assertArrayEquals(new int[] {0, 1}, split.train().classes());
        assertArrayEquals(new int[] {1}, split.test().classes());
    }

    @Test
    void withoutAPictureToSpareThereIsNoTest() throws IOException {
        TensorException none = assertThrows(TensorException.class, () -> ImageSplit.read(folder, 8, 3));
        assertTrue(none.getMessage().contains("there are no pictures"), none::getMessage);
        copy("one/a.png", "two/a.png");
        TensorException e = assertThrows(TensorException.class, () -> ImageSplit.read(folder, 8, 3));
        assertTrue(e.getMessage().contains("no class has two pictures"), e::getMessage);
    }
}
