package io.quern.vision.data;

import io.quern.tensor.TensorException;
import io.quern.tensor.file.FileErrors;
import io.quern.vision.Image;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Decodes PNG, JPEG, BMP, GIF (the first picture) and WebP files. The header is read first, so that a picture that is too large
 * is refused before memory is taken. Samples are used as they are stored, without colour management, as Pillow does: 16
 * bits become 8, transparency is dropped, CMYK becomes RGB.
 */
public final class ImageFile {
    /** The most pixels that are decoded, 67 million: some 8,192 x 8,192. */
    public static final long MOST_PIXELS = 1L << 26;

    private static final long MOST_BYTES = 1L << 28;

    private ImageFile() {}

    /** Whether a file is called like one that can be decoded. */
    public static boolean isNamedLikeOne(Path file) {
        String name = file.getFileName().toString().toLowerCase(java.util.Locale.ROOT);
        return List.of(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp").stream()
                .anyMatch(name::endsWith);
    }

    /**
     * Reads a file.
     *
     * @throws TensorException naming the file, if it is missing, no picture, broken, cut short or too large
     */
    public static Image read(Path file) {
        try {
            if (Files.size(file) > MOST_BYTES) {
                throw new TensorException(
                        file + " has " + Files.size(file) + " bytes; a picture has at most " + MOST_BYTES);
            }
            return decode(file.toString(), Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            throw new TensorException(file + ": no such file", e);
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /** Decodes the bytes of a file; {@code name} is for messages. */
    public static Image decode(String name, byte[] bytes) {
        if (WebpFile.isOne(bytes)) {
            return webp(name, bytes);
        }
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes))) {
            Iterator<ImageReader> readers = javax.imageio.ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                throw new TensorException(name + " is not a picture in PNG, JPEG, BMP, GIF or WebP format");
            }
            ImageReader reader = readers.next();
            try {
                reader.setInput(in, true, true);
                return decode(name, reader, bytes);
            } finally {
                reader.dispose();
            }
        } catch (IOException | IllegalArgumentException | IndexOutOfBoundsException e) {
            // Readers report broken files by all of these.
            throw new TensorException(name + " is a broken picture: " + e.getMessage(), e);
        }
    }

    private static Image webp(String name, byte[] bytes) {
        WebpFile.check(name, bytes);
        try (ImageInputStream in = new WebpFile.Input(bytes)) {
            ImageReader reader = WebpFile.reader();
            try {
                reader.setInput(in, true, true);
                return decode(name, reader, bytes);
            } finally {
                reader.dispose();
            }
        } catch (TensorException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // The reader reports broken files by several kinds of these.
            throw new TensorException(name + " is a broken WebP: " + e.getMessage(), e);
        }
    }

    /** Refuses pictures that would take too much memory. */
    static void checkSize(String name, long width, long height) {
        if (width < 1 || height < 1 || width * height > MOST_PIXELS) {
            throw new TensorException(name + " is " + width + " x " + height + " pixels; pictures of up to "
                    + MOST_PIXELS + " pixels are decoded: make it smaller");
        }
    }

    private static Image decode(String name, ImageReader reader, byte[] bytes) throws IOException {
        checkSize(name, reader.getWidth(0), reader.getHeight(0));
        List<String> warnings = new ArrayList<>();
        reader.addIIOReadWarningListener((source, warning) -> warnings.add(warning));
        boolean jpeg = reader.getFormatName().equalsIgnoreCase("jpeg");
        Image image;
        if (jpeg && isFourChannelJpeg(bytes)) {
            image = cmyk(reader.readRaster(0, null), adobeTransform(bytes));
        } else {
            BufferedImage decoded = reader.read(0);
            image = convert(decoded.getRaster(), decoded.getColorModel());
        }
        if (jpeg && !warnings.isEmpty()) {
            // The decoder fills what is missing with grey and only warns.
            throw new TensorException(name + " is a broken or truncated JPEG: " + warnings.getFirst());
        }
        return image;
    }

    private static Image convert(Raster raster, ColorModel model) {
        int w = raster.getWidth();
        int h = raster.getHeight();
        if (model instanceof IndexColorModel palette) {
            return fromPalette(raster, palette);
        }
        int bands = raster.getNumBands();
        int channels = bands < 3 ? 1 : 3;
        byte[] pixels = new byte[w * h * channels];
        int[] line = new int[w * bands];
        int[] largest = new int[channels];
        for (int c = 0; c < channels; c++) {
            largest[c] = (1 << raster.getSampleModel().getSampleSize(c)) - 1;
        }
        int at = 0;
        for (int y = 0; y < h; y++) {
            raster.getPixels(raster.getMinX(), raster.getMinY() + y, w, 1, line);
            for (int x = 0; x < w; x++) {
                for (int c = 0; c < channels; c++) {
                    pixels[at++] = toByte(line[x * bands + c], largest[c]);
                }
            }
        }
        return new Image(w, h, channels, pixels);
    }

    private static byte toByte(int sample, int largest) {
        return switch (largest) {
            case 255 -> (byte) sample;
            case 65535 -> (byte) (sample >> 8);
            default -> (byte) ((sample * 255L + largest / 2) / largest);
        };
    }

    private static Image fromPalette(Raster raster, IndexColorModel palette) {
        int w = raster.getWidth();
        int h = raster.getHeight();
        boolean grey = true;
        for (int i = 0; i < palette.getMapSize(); i++) {
            grey &= palette.getRed(i) == palette.getGreen(i) && palette.getGreen(i) == palette.getBlue(i);
        }
        int channels = grey ? 1 : 3;
        byte[] pixels = new byte[w * h * channels];
        int[] line = new int[w];
        int at = 0;
        for (int y = 0; y < h; y++) {
            raster.getSamples(raster.getMinX(), raster.getMinY() + y, w, 1, 0, line);
            for (int index : line) {
                // An index past the palette is black, as in Pillow.
                int rgb = index < palette.getMapSize() ? palette.getRGB(index) : 0;
                pixels[at++] = (byte) (rgb >> 16);
                if (!grey) {
                    pixels[at++] = (byte) (rgb >> 8);
                    pixels[at++] = (byte) rgb;
                }
            }
        }
        return new Image(w, h, channels, pixels);
    }

    // ---- JPEGs of four channels, which the reader hands out raw

    private static int segment(byte[] b, int wanted, int wantedEnd) {
        int at = 2;
        while (at + 4 <= b.length && (b[at] & 0xFF) == 0xFF) {
            int marker = b[at + 1] & 0xFF;
            if (marker == 0xFF) {
                at++;
                continue;
            }
            boolean table = marker == 0xC4 || marker == 0xC8 || marker == 0xCC;
            if (marker >= wanted && marker <= wantedEnd && !table) {
                return at + 4;
            }
            if (marker == 0xDA) {
                break;
            }
            at += 2 + ((b[at + 2] & 0xFF) << 8 | (b[at + 3] & 0xFF));
        }
        return -1;
    }

    private static boolean isFourChannelJpeg(byte[] b) {
        int frame = segment(b, 0xC0, 0xCF);
        return frame >= 0 && frame + 5 < b.length && b[frame + 5] == 4;
    }

    /** Adobe's marker: 0 for CMYK, 2 for YCCK, either stored inverted; -1 if there is none. */
    private static int adobeTransform(byte[] b) {
        int at = segment(b, 0xEE, 0xEE);
        boolean adobe = at >= 0
                && at + 11 < b.length
                && new String(b, at, 5, java.nio.charset.StandardCharsets.ISO_8859_1).equals("Adobe");
        return adobe ? b[at + 11] & 0xFF : -1;
    }

    private static Image cmyk(Raster raster, int transform) {
        int w = raster.getWidth();
        int h = raster.getHeight();
        byte[] pixels = new byte[w * h * 3];
        int[] line = new int[w * 4];
        int at = 0;
        for (int y = 0; y < h; y++) {
            raster.getPixels(raster.getMinX(), raster.getMinY() + y, w, 1, line);
            for (int x = 0; x < w; x++) {
                int black = line[4 * x + 3];
                int[] ink = {line[4 * x], line[4 * x + 1], line[4 * x + 2]};
                if (transform == 2) {
                    ink = fromYcc(ink);
                }
                for (int c : ink) {
                    // Light that is left: stored as such by Adobe's programs, else as ink.
                    int light = transform >= 0 ? c * black : (255 - c) * (255 - black);
                    pixels[at++] = (byte) ((light + 127) / 255);
                }
            }
        }
        return new Image(w, h, 3, pixels);
    }

    /** To C, M, Y as stored: YCCK codes 255 - C, ... as red, green, blue. */
    private static int[] fromYcc(int[] ycc) {
        double y = ycc[0];
        double cb = ycc[1] - 128;
        double cr = ycc[2] - 128;
        return new int[] {
            255 - clip(y + 1.402 * cr), 255 - clip(y - 0.344136 * cb - 0.714136 * cr), 255 - clip(y + 1.772 * cb)
        };
    }

    private static int clip(double x) {
        return (int) Math.clamp(Math.round(x), 0L, 255L);
    }
}
