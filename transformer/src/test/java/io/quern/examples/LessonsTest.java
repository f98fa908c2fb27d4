package io.quern.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.examples.OptimizerPaths.Descent;
import io.quern.examples.Overfitting.Trained;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.optim.Adam;
import io.quern.train.optim.Schedule;
import io.quern.train.optim.Sgd;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What the pages of {@code docs/course} say of the small examples. */
class LessonsTest {
    @Test
    void oneLayerCannotLearnExclusiveOrAndTwoCan() {
        Map<String, Mlp> models = Xor.models(1);
        models.forEach((name, model) -> {
            double loss = Xor.train(model, 2000, 1);
            float[] p = Xor.probabilities(model);
            if (name.equals("one layer")) {
                assertEquals(Math.log(2), loss, 1e-4, name);
                assertArrayEquals(new float[] {0.5f, 0.5f, 0.5f, 0.5f}, p, 1e-2f, name);
            } else {
                assertTrue(loss < 0.05, name + ": " + loss);
                assertArrayEquals(Xor.TARGETS, p, 0.1f, name);
            }
            model.close();
        });
        assertEquals(4, models.size());
    }

    @Test
    void theTapeFindsTheGradientThatIsDerivedOnPaper() {
        Points data = Points.blobs(20, 0.6, 1, LinearClassifiers.CENTRES[0], LinearClassifiers.CENTRES[1]);
        try (Linear layer = LinearClassifiers.logistic(data, 5, 1)) {
            Scope.run(() -> {
                Tensor x = data.inputs();
                Tensor y = data.targets().cast(DType.F32);
                float[] taped = Tape.gradients(() -> Losses.binaryCrossEntropy(layer.forward(x), y))
                        .of(layer.weight())
                        .toFloats();
                assertArrayEquals(LinearClassifiers.gradientOnPaper(layer, x, y).toFloats(), taped, 1e-6f);
                assertTrue(Math.abs(taped[0]) > 1e-3, "a gradient of nearly 0 shows nothing");
                return null;
            });
        }
    }

    /** Of two logits only the difference counts, which moves twice as fast. */
    @Test
    void softmaxRegressionOfTwoClassesIsLogisticRegression() {
        Points data = Points.blobs(20, 0.6, 1, LinearClassifiers.CENTRES[0], LinearClassifiers.CENTRES[1]);
        try (Linear one = LinearClassifiers.logistic(data, 100, 1);
                Linear two = LinearClassifiers.softmax(data, 2, 100, 0.5)) {
            Scope.run(() -> {
                Tensor x = data.inputs();
                float[] p = LinearClassifiers.both(one.forward(x)).toFloats();
                assertArrayEquals(p, two.forward(x).softmax().toFloats(), 1e-5f);
                return null;
            });
        }
    }

    @Test
    void linearClassifiersSeparateWhatALineSeparates() {
        Points data = Points.blobs(60, 0.6, 2, LinearClassifiers.CENTRES);
        try (Linear layer = LinearClassifiers.softmax(data, 3, 300, 1)) {
            double right = Scope.run(() -> data.accuracy(layer.forward(data.inputs())));
            assertTrue(right > 0.85, "accuracy " + right);
        }
    }

    @Test
    void onBealesFunctionMomentumAndAdamGetFurtherThanPlainDescent() {
        Descent sgd = OptimizerPaths.best("SGD", 300);
        assertTrue(sgd.last() < sgd.heights().getFirst() / 10, "even plain descent descends");
        for (String name : List.of("Momentum", "Adam")) {
            Descent other = OptimizerPaths.best(name, 300);
            assertTrue(other.last() < sgd.last() / 2, name + ": " + other.last() + ", SGD: " + sgd.last());
            assertTrue(other.stepsTo(0.01) < sgd.stepsTo(0.01), name);
        }
    }

    @Test
    void aRateMayBeTooLowOrTooHigh() throws Exception {
        double low = LearningRate.train(Sgd::new, Schedule.constant(0.001), 300).getLast();
        double right = LearningRate.train(Sgd::new, Schedule.constant(0.1), 300).getLast();
        double high = LearningRate.train(Sgd::new, Schedule.constant(2), 300).getLast();
        assertTrue(right < low / 2, right + " against " + low);
        assertTrue(high > 2 * right, right + " against " + high);
        double adam =
                LearningRate.train(Adam::new, Schedule.constant(0.01), 300).getLast();
        assertTrue(adam < low, adam + " against " + low);
    }

    @Test
    void theNoiseOfAGradientFallsWithTheRootOfTheBatchSize() {
        try (Mlp model = BatchSize.model()) {
            double four = BatchSize.noise(model, 4, 300);
            double sixtyFour = BatchSize.noise(model, 64, 300);
            assertEquals(4, four / sixtyFour, 0.4);
        }
    }

    @Test
    void inOneEpochManySmallBatchesGetFurtherThanOneLarge() throws Exception {
        double small = BatchSize.train(16, 1, 1).getLast();
        double large = BatchSize.train(4096, 1, 1).getLast();
        assertTrue(small < large / 1.5, small + " against " + large);
    }

    @Test
    void dropoutDecayAndStoppingHelpAgainstOverFitting() throws Exception {
        Trained none = Overfitting.train(Overfitting.NONE, 400);
        double best = none.validation().stream().mapToDouble(x -> x).min().orElseThrow();
        double last = none.validation().getLast();
        assertTrue(last > 1.3 * best, "the loss rises again: " + best + " to " + last);
        assertTrue(none.training().getLast() < last / 2, "while that of the training data falls");
        for (Overfitting.Recipe recipe : List.of(Overfitting.DROPOUT, Overfitting.DECAY, Overfitting.STOPPED)) {
            Trained cured = Overfitting.train(recipe, 400);
            double loss = Overfitting.lossOn(cured.model(), Overfitting.VALIDATION);
            assertTrue(loss < 0.9 * last, recipe + ": " + loss + " against " + last);
            cured.model().close();
        }
        none.model().close();
    }
}
