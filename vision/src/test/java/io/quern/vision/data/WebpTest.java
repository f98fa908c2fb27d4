package io.quern.vision.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.vision.Image;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** WebP files against Pillow, which decodes them by libwebp, and broken ones. */
class WebpTest {
    private static byte[] bytes(String name) {
        return Golden.bytes("/images/" + name + ".webp");
    }

    private static double difference(Image image, int[] expected, double red, double green, double blue) {
        double sum = 0;
        for (int i = 0; i < expected.length; i += 3) {
            double d = 0;
            double[] weights = {red, green, blue};
            for (int c = 0; c < 3; c++) {
                d += weights[c] * ((image.pixels()[i + c] & 0xFF) - expected[i + c]);
            }
            sum += Math.abs(d);
        }
        return sum / (expected.length / 3);
    }

    @ParameterizedTest
    @ValueSource(strings = {"lossless", "palette", "alpha"})
    void losslessOnesAreDecodedToTheBit(String name) {
        Golden.Values expected = Golden.load("webp").get(name).expected("pixels");
        Image image = ImageFile.decode(name, bytes(name));
        assertEquals(expected.shape().dim(0), image.height());
        assertEquals(expected.shape().dim(1), image.width());
        assertEquals(3, image.channels());
        int[] pixels = expected.ints();
        for (int i = 0; i < pixels.length; i++) {
            assertEquals(pixels[i], image.pixels()[i] & 0xFF, "sample " + i);
        }
    }

    /** The reader repeats colours, which are stored for two by two pixels, where libwebp smooths them: lightness agrees. */
    @ParameterizedTest
    @ValueSource(strings = {"lossy", "lossy_alpha"})
    void lossyOnesAgreeButForTheEdgesOfColours(String name) {
        int[] expected = Golden.load("webp").get(name).expected("pixels").ints();
        Image image = ImageFile.decode(name, bytes(name));
        assertEquals(expected.length, image.pixels().length);
        assertTrue(difference(image, expected, 0.299, 0.587, 0.114) < 0.6, "lightness");
        assertTrue(difference(image, expected, 1, 0, 0) < 6, "red");
        assertTrue(difference(image, expected, 0, 0, 1) < 6, "blue");
    }

    @ParameterizedTest
    @ValueSource(strings = {"lossless", "palette", "alpha", "lossy", "lossy_alpha"})
    void oneThatIsCutShortIsNamed(String name) {
        byte[] whole = bytes(name);
        for (int n = 12; n < whole.length; n++) {
            byte[] part = Arrays.copyOf(whole, n);
            TensorException e = assertThrows(TensorException.class, () -> ImageFile.decode("cut.webp", part));
            assertTrue(e.getMessage().startsWith("cut.webp is a truncated WebP"), e.getMessage());
            if (n == whole.length - 1) {
                continue; // may be the byte that makes the length even
            }
            // Also if the header is made to agree.
            byte[] agreed = part.clone();
            agreed[4] = (byte) (n - 8);
            agreed[5] = (byte) (n - 8 >> 8);
            TensorException f = assertThrows(TensorException.class, () -> ImageFile.decode("cut.webp", agreed));
            assertTrue(f.getMessage().startsWith("cut.webp is a broken WebP"), f.getMessage());
        }
    }

    /** There is no checksum, so that much of it is a picture still. */
    @ParameterizedTest
    @ValueSource(strings = {"lossless", "alpha", "lossy", "lossy_alpha"})
    void damageGivesAPictureOrAnErrorSoon(String name) {
        byte[] whole = bytes(name);
        Random random = new Random(7);
        int refused = 0;
        for (int i = 0; i < 150; i++) {
            byte[] damaged = whole.clone();
            for (int k = 0; k <= i % 3; k++) {
                damaged[12 + random.nextInt(whole.length - 12)] = (byte) random.nextInt(256);
            }
            try {
                Image image = ImageFile.decode("damaged.webp", damaged);
                assertEquals(image.width() * image.height() * image.channels(), image.pixels().length);
            } catch (TensorException e) {
                assertTrue(e.getMessage().startsWith("damaged.webp is "), e.getMessage());
                refused++;
            }
        }
        assertTrue(refused > 0);
    }

    @ParameterizedTest
    @CsvSource({"lossless, 21", "lossy, 26"})
    void hugeClaimsAreRefusedBeforeMemoryIsTaken(String name, int at) {
        byte[] b = bytes(name);
        b[at] = (byte) 0xFF;
        b[at + 1] = (byte) 0xFF;
        b[at + 2] = (byte) 0xFF;
        b[at + 3] = 0x3F;
        TensorException e = assertThrows(TensorException.class, () -> ImageFile.decode("huge.webp", b));
        assertTrue(e.getMessage().startsWith("huge.webp is 163"), e.getMessage());
        assertTrue(e.getMessage().contains("make it smaller"), e.getMessage());
    }

    @Test
    void whatIsInsideIsCheckedTooAndAnimationsAreNot() {
        byte[] b = bytes("lossy_alpha"); // an extended file: the frame says its own size
        int at = find(b, "VP8 ") + 8 + 6;
        b[at] = (byte) 0xFF;
        b[at + 1] = 0x3F;
        b[at + 2] = (byte) 0xFF;
        b[at + 3] = 0x3F;
        TensorException inner = assertThrows(TensorException.class, () -> ImageFile.decode("inner.webp", b));
        assertTrue(inner.getMessage().contains("16383 x 16383"), inner.getMessage());
        TensorException moving =
                assertThrows(TensorException.class, () -> ImageFile.decode("moving.webp", bytes("animated")));
        assertTrue(moving.getMessage().contains("animated"), moving.getMessage());
        ByteArrayOutputStream none = new ByteArrayOutputStream();
        none.writeBytes(new byte[] {'R', 'I', 'F', 'F', 4, 0, 0, 0, 'W', 'E', 'B', 'P'});
        TensorException empty = assertThrows(TensorException.class, () -> ImageFile.decode("x", none.toByteArray()));
        assertTrue(empty.getMessage().contains("no picture"), empty.getMessage());
    }

    private static int find(byte[] b, String name) {
        for (int i = 12; i < b.length - 4; i++) {
            if (new String(b, i, 4, java.nio.charset.StandardCharsets.ISO_8859_1).equals(name)) {
                return i;
            }
        }
        throw new AssertionError(name);
    }
}
