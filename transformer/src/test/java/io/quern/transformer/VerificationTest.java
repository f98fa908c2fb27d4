package io.quern.transformer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.Difference;
import io.quern.tensor.check.LogitAgreement;
import io.quern.tensor.check.Verification;
import io.quern.tensor.testing.BrokenDevice;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The comparison of devices on GPT-2, right and with a kernel broken on purpose. */
class VerificationTest extends LeakChecked {
    private static final Device REFERENCE = new Device("reference", 0);
    private static final int[] IDS = {3, 1, 4, 1, 5, 9, 2, 6};

    @AfterEach
    void repair() {
        BrokenDevice.repair();
    }

    private static Map<String, Tensor> parameters(CausalLanguageModel model) {
        Map<String, Tensor> all = new LinkedHashMap<>();
        model.parameters().forEach((path, p) -> all.put(path, p.value()));
        return all;
    }

    private static Tensor logits(CausalLanguageModel model, int... ids) {
        return model.logits(Tensor.of(ids, 1, ids.length).to(model.device()));
    }

    /** Two blocks whose results, without a cache, are 19: four sums of residuals, norms, products and so on. */
    private static Verification verify(CausalLanguageModel model, Device tested) {
        Verification v = new Verification(() -> parameters(model), Double.NaN);
        model.moveTo(REFERENCE);
        float[] want = v.record("prompt", () -> logits(model, IDS));
        model.moveTo(tested);
        float[] got = v.compare("prompt", () -> logits(model, IDS));
        assertEquals(want.length, got.length);
        return v;
    }

    @Test
    void vectorKernelsAgreeWithTheReference() {
        try (CausalLanguageModel model = TestModels.small(1)) {
            Verification v = verify(model, Device.CPU);
            assertTrue(v.first().isEmpty(), () -> v.first().toString());
            assertNull(v.diagnosis());
            assertTrue(
                    v.differences().size() >= 19, "results " + v.differences().size());
            assertTrue(v.differences().stream().anyMatch(d -> d.maxError() > 0), "nothing differs: are there two?");
        }
    }

    @Test
    void aRightCopyOfTheReferenceIsEqual() {
        try (CausalLanguageModel model = TestModels.small(1)) {
            Verification v = verify(model, BrokenDevice.DEVICE);
            assertTrue(v.differences().stream().allMatch(d -> d.maxError() == 0));
        }
    }

    @Test
    void theLayerOfABrokenKernelIsNamed() {
        try (CausalLanguageModel model = TestModels.small(1)) {
            BrokenDevice.breakCall(
                    "add_layer_norm", 2, 1.001); // two a block but in the first: the second of the second
            Verification v = verify(model, BrokenDevice.DEVICE);
            Difference d = v.first().orElseThrow();
            assertEquals("transformer.h.1.ln_2", d.layer());
            assertEquals("add_layer_norm", d.op());
            assertTrue(d.relativeError() > 1e-5 && d.relativeError() < 2e-3, "error " + d.relativeError());
            assertEquals(d.shape().size() / 2, d.worst());
            assertEquals(1.001 * d.want(), d.got(), 1e-5);
            // By itself the kernel is right: only one call was broken, and the diagnosis runs the other device's.
            assertTrue(v.diagnosis().contains("the kernel is wrong"), v.diagnosis());
        }
    }

    @Test
    void anOperationWithoutParametersIsNamedByTheLayerBefore() {
        try (CausalLanguageModel model = TestModels.small(1)) {
            BrokenDevice.breakCall("attention", 1, Double.NaN);
            Difference d = verify(model, BrokenDevice.DEVICE).first().orElseThrow();
            assertEquals("after transformer.h.1.attn.c_attn: attention", d.name());
            assertEquals(Double.POSITIVE_INFINITY, d.relativeError());
        }
    }

    @Test
    void errorsOfOperandsAreToldFromThoseOfKernels() {
        try (CausalLanguageModel model = TestModels.small(1)) {
            Verification v = new Verification(() -> parameters(model), Double.NaN);
            model.moveTo(REFERENCE);
            v.record("prompt", () -> logits(model, IDS));
            model.moveTo(Device.CPU);
            v.compare("prompt", () -> logits(model, 3, 1, 4, 1, 5, 9, 2, 7));
            assertEquals("transformer.wte", v.first().orElseThrow().layer());
            assertTrue(v.diagnosis().contains("the operands differed before"), v.diagnosis());
        }
    }

    @Test
    void otherOperationsAreRefused() {
        try (CausalLanguageModel model = TestModels.small(1)) {
            Verification v = new Verification(() -> parameters(model), Double.NaN);
            v.record("prompt", () -> logits(model, IDS));
            assertThrows(
                    TensorException.class,
                    () -> v.compare("prompt", () -> logits(model, IDS).exp()));
            assertThrows(
                    TensorException.class,
                    () -> v.compare("prompt", () -> logits(model, 1, 2)),
                    "results of other shapes");
            assertThrows(IllegalArgumentException.class, () -> v.compare("other", () -> logits(model, IDS)));
        }
    }

    @Test
    void agreementOfLogits() {
        float[] want = {0, 1, 2, 5, 1, 1};
        LogitAgreement same = LogitAgreement.of(want, want.clone(), 3);
        assertEquals(2, same.agreeing());
        assertEquals(0, same.maxKl());
        LogitAgreement other = LogitAgreement.of(want, new float[] {0, 3, 2, 5, 1, 1}, 3);
        assertEquals(1, other.agreeing());
        assertEquals(0, other.firstOther());
        assertFalse(other.sameChoices());
        // of {0, 1, 2} from {0, 3, 2}, by hand: sum p ln(p / q)
        assertEquals(0.45195, other.maxKl(), 1e-5);
        assertEquals(other.maxKl() / 2, other.meanKl(), 1e-9);
        LogitAgreement tie = LogitAgreement.of(new float[] {1, 1.0001f}, new float[] {1.0001f, 1}, 2);
        assertEquals(1, tie.ties());
        assertTrue(tie.sameChoices());
        assertFalse(LogitAgreement.of(new float[] {1, 2}, new float[] {Float.NaN, 2}, 2)
                        .maxKl()
                < 1);
    }
}
