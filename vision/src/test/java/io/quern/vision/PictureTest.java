package io.quern.vision;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.TensorException;
import io.quern.vision.data.ImageFile;
import io.quern.vision.data.PngFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pictures that are made, and their files. */
class PictureTest {
    @TempDir
    private Path folder;

    @Test
    void whatIsWrittenIsRead() {
        for (int channels : new int[] {1, 3}) {
            byte[] pixels = new byte[7 * 5 * channels];
            new Random(1).nextBytes(pixels);
            Path file = folder.resolve(channels + ".png");
            PngFile.write(file, new Image(7, 5, channels, pixels));
            Image again = ImageFile.read(file);
            assertEquals(channels, again.channels());
            assertArrayEquals(pixels, again.pixels());
        }
        Path nowhere = folder.resolve("missing/one.png");
        assertThrows(TensorException.class, () -> PngFile.write(nowhere, new Image(1, 1, 1, new byte[1])));
        assertFalse(Files.exists(nowhere));
    }

    @Test
    void planesBecomePixels() {
        // Planes of two pixels each after one value of something else.
        Image image = Image.ofUnit(new float[] {9, 0, 1, -1, 0.5f, 2, 0.1f}, 1, 2, 1, 3);
        assertArrayEquals(new byte[] {0, 0, (byte) 255, (byte) 255, (byte) 128, 26}, image.pixels());
    }

    @Test
    void aGridHoldsItsPictures() {
        Image dark = new Image(2, 1, 1, new byte[] {1, 2});
        Image red = new Image(2, 1, 3, new byte[] {9, 0, 0, 8, 0, 0});
        Image grid = PictureGrid.of(List.of(List.of(dark, red), List.of(red)), 2);
        assertEquals(2 + 2 * (4 + 2), grid.width());
        assertEquals(2 + 2 * (2 + 2), grid.height());
        assertEquals(3, grid.channels());
        assertEquals(1, grid.at(2, 2, 2));
        assertEquals(2, grid.at(5, 3, 0));
        assertEquals(9, grid.at(8, 2, 0));
        assertEquals(0, grid.at(8, 2, 1));
        assertEquals(8, grid.at(5, 7, 0));
        assertEquals(160, grid.at(0, 0, 0));
        assertEquals(160, grid.at(9, 7, 1));
        assertThrows(
                TensorException.class,
                () -> PictureGrid.of(List.of(List.of(dark, new Image(1, 1, 1, new byte[1]))), 1));
    }

    @Test
    void heatIsWhereTheWeightIs() {
        Image black = new Image(8, 8, 1, new byte[64]);
        float[] weights = {0, 0, 0, 1};
        Image map = HeatMap.over(black, weights, 2, 2, 3);
        assertEquals(24, map.width());
        assertEquals(3, map.channels());
        // inferno's ends at six tenths
        assertEquals(151, map.at(23, 23, 0), 1);
        assertEquals(153, map.at(23, 23, 1), 1);
        assertEquals(0, map.at(0, 0, 1));
        assertTrue(map.at(12, 23, 0) > map.at(6, 23, 0) && map.at(12, 23, 0) < map.at(20, 23, 0));
        // No weight stands out: no heat, the picture shines through.
        Image white = new Image(1, 1, 1, new byte[] {-1});
        assertEquals(102, HeatMap.over(white, new float[] {2, 2, 2, 2}, 2, 2, 1).at(0, 0, 0));
    }
}
