package io.quern.tensor.testing;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Tensor;
import io.quern.tensor.spi.LeakTracker;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtensionContext;

class LeakCheckTest {
    private final LeakCheck check = new LeakCheck();

    /** A context with a store, of a test that failed or not. */
    private static ExtensionContext context(Throwable failure) {
        Map<Object, Object> values = new HashMap<>();
        ExtensionContext.Store store = proxy(
                ExtensionContext.Store.class,
                (method, args) -> method.equals("put") ? values.put(args[0], args[1]) : values.get(args[0]));
        return proxy(
                ExtensionContext.class,
                (method, args) -> method.equals("getStore") ? store : Optional.ofNullable(failure));
    }

    private interface Answer {
        Object to(String method, Object[] args);
    }

    private static <T> T proxy(Class<T> type, Answer answer) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(),
                new Class<?>[] {type},
                (self, method, args) -> answer.to(method.getName(), args)));
    }

    @Test
    void namesThePlaceOfAllocation() {
        assertTrue(LeakTracker.ENABLED, "tests run with -Dquern.leaks=true");
        ExtensionContext context = context(null);
        check.beforeEach(context);
        Tensor t = Tensor.zeros(3);
        AssertionError e = assertThrows(AssertionError.class, () -> check.afterEach(context));
        assertTrue(e.getMessage().startsWith("1 buffers are still alive after the test, of 12 bytes"), e.getMessage());
        assertEquals(1, e.getSuppressed().length);
        assertTrue(java.util.Arrays.stream(e.getSuppressed()[0].getStackTrace())
                .anyMatch(f -> f.getMethodName().equals("namesThePlaceOfAllocation")));
        t.close();
        assertDoesNotThrow(() -> check.afterEach(context));
    }

    @Test
    void whatWasThereBeforeIsNotALeak() {
        Tensor t = Tensor.zeros(3);
        ExtensionContext context = context(null);
        check.beforeEach(context);
        assertDoesNotThrow(() -> check.afterEach(context));
        t.close();
    }

    /** A failed test had no chance to clean up; its own failure is what counts. */
    @Test
    void aFailedTestIsLeftAlone() {
        ExtensionContext context = context(new AssertionError());
        check.beforeEach(context);
        Tensor t = Tensor.zeros(3);
        assertDoesNotThrow(() -> check.afterEach(context));
        t.close();
    }
}
