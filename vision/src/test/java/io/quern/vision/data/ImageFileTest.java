package io.quern.vision.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.vision.Image;
import io.quern.vision.TestImages;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pictures of all kinds as Pillow decodes them, and files that are none. */
class ImageFileTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "colour.png",
                "grey.png",
                "grey16.png",
                "palette.png",
                "bilevel.png",
                "alpha.png",
                "colour.bmp",
                "one.png",
                "smooth.jpg",
                "grey.jpg",
                "cmyk.jpg"
            })
    void pixelsAreThoseOfPillow(String name) throws IOException {
        JsonNode expected = new ObjectMapper()
                .readTree(Golden.bytes("/golden/decoding.json"))
                .get(name);
        Image image = ImageFile.read(TestImages.path("/images/" + name));
        assertEquals(expected.get("width").asInt(), image.width());
        assertEquals(expected.get("height").asInt(), image.height());
        int channels = expected.get("channels").asInt();
        Image same = image.withChannels(channels);
        // Decoders of JPEG may round otherwise, by a few levels where chroma is interpolated.
        int tolerance = name.endsWith(".jpg") ? 4 : 0;
        for (int i = 0; i < same.pixels().length; i++) {
            assertEquals(expected.get("pixels").get(i).asInt(), same.pixels()[i] & 0xFF, tolerance, "byte " + i);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "text.png, is not a picture",
        "truncated.jpg, truncated",
        "huge.png, 20000 x 20000",
        "missing.png, no such file"
    })
    void otherFilesAreNamed(String name, String what) {
        Path file = TestImages.path("/images").resolve(name);
        TensorException e = assertThrows(TensorException.class, () -> ImageFile.read(file));
        assertTrue(e.getMessage().contains(name) && e.getMessage().contains(what), e::getMessage);
    }

    /** Whatever is cut off or changed, there is a picture or a clear error. */
    @ParameterizedTest
    @ValueSource(strings = {"colour.png", "palette.png", "smooth.jpg", "cmyk.jpg", "colour.bmp"})
    void brokenFilesNeverFailOtherwise(String name) {
        byte[] good = Golden.bytes("/images/" + name);
        for (int i = 0; i < good.length; i += Math.max(1, good.length / 150)) {
            byte[] bad = good.clone();
            bad[i] ^= 0x55;
            tryBoth(name, bad);
            tryBoth(name, java.util.Arrays.copyOf(good, i));
        }
    }

    private static void tryBoth(String name, byte[] bytes) {
        try {
            ImageFile.decode(name, bytes);
        } catch (TensorException e) {
            assertTrue(e.getMessage().startsWith(name), e::getMessage);
        }
    }

    @Test
    void aCutPngIsAnError() {
        byte[] good = Golden.bytes("/images/colour.png");
        byte[] cut = java.util.Arrays.copyOf(good, good.length / 2);
        assertThrows(TensorException.class, () -> ImageFile.decode("cut.png", cut));
    }
}
