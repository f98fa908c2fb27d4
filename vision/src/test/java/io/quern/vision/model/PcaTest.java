package io.quern.vision.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.vision.TestImages;
import io.quern.vision.data.Idx;
import io.quern.vision.data.ImageSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Principal components of 2,000 digits against an exact decomposition. */
class PcaTest {
    private static Tensor digits() {
        ImageSet set = Idx.read(TestImages.path("/mnist"), "t10k");
        float[] x = new float[set.pixels().length];
        for (int i = 0; i < x.length; i++) {
            x[i] = (set.pixels()[i] & 0xFF) / 255f;
        }
        return Tensor.of(x, set.size(), set.bytesEach());
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 30})
    void variancesAndErrorsAreThoseOfAnExactDecomposition(int components) {
        Golden.Case c = Golden.load("pca_mnist").get("test_" + components);
        Scope.run(() -> {
            Tensor digits = digits();
            Pca pca = Pca.fit(digits, components, 1);
            // The data are float32, and so are the products.
            Golden.assertClose(
                    "explained_variance", c.expected("explained_variance").data(), pca.variances(), 1e-5, 1e-5);
            assertEquals(c.expected("total_variance").data()[0], pca.totalVariance(), 1e-3);
            double expected = c.expected("reconstruction_mse_test").data()[0];
            assertEquals(expected, pca.reconstructionError(digits), 1e-5 * expected + 1e-6);
            return null;
        });
    }

    @Test
    void flatDataNeedNoMore() {
        Scope.run(() -> {
            Tensor data = Tensor.randn(new Rng(3), 1, 50, 2).matmul(Tensor.randn(new Rng(4), 1, 2, 7));
            Pca pca = Pca.fit(data, 2, 1);
            assertEquals(0, pca.reconstructionError(data), 1e-10);
            assertThrows(TensorException.class, () -> Pca.fit(data, 8, 1));
            return null;
        });
    }
}
