package io.quern.tensor.testing;

import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.LeakTracker;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Fails a test that leaves buffers alive which were not there before it, and says where they were allocated. Registers
 * itself with JUnit wherever the test classes of tensor-core are on the class path; works under {@code -Dquern.leaks=true}.
 */
public final class LeakCheck implements BeforeEachCallback, AfterEachCallback {
    private static final ExtensionContext.Namespace NAMESPACE = ExtensionContext.Namespace.create(LeakCheck.class);
    private static final int SITES_SHOWN = 3;

    @Override
    public void beforeEach(ExtensionContext context) {
        context.getStore(NAMESPACE).put("before", LeakTracker.live());
    }

    @Override
    public void afterEach(ExtensionContext context) {
        if (context.getExecutionException().isPresent()) {
            return;
        }
        Set<Buffer> left = Collections.newSetFromMap(new IdentityHashMap<>());
        left.addAll(LeakTracker.live());
        ((List<?>) context.getStore(NAMESPACE).get("before")).forEach(left::remove);
        if (!left.isEmpty()) {
            AssertionError e = new AssertionError(left.size() + " buffers are still alive after the test, of "
                    + left.stream().mapToLong(Buffer::bytes).sum()
                    + " bytes: run it in Scope.run, or close what it makes; the first were allocated here:");
            left.stream().limit(SITES_SHOWN).forEach(b -> e.addSuppressed(b.site()));
            throw e;
        }
    }
}
