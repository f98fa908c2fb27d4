package io.quern.cuda;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** Runs the tests tagged {@code gpu} without Maven and writes a line of JSON for each. */
final class GpuTests implements TestExecutionListener {
    private static final int LONGEST_MESSAGE = 20_000;

    private final String part;
    private final GpuResults results;
    private final Map<String, Long> started = new ConcurrentHashMap<>();
    private final Set<String> failed = ConcurrentHashMap.newKeySet();
    private int count;

    private GpuTests(String part, GpuResults results) {
        this.part = part;
        this.results = results;
    }

    /**
     * @param tags JUnit's expression, such as {@code gpu & models}
     * @return whether there were tests and all passed
     */
    static boolean run(String part, String tags, GpuResults results) {
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectPackage("io.quern.cuda"))
                .filters(TagFilter.includeTags(tags))
                .build();
        GpuTests tests = new GpuTests(part, results);
        LauncherFactory.create().execute(request, tests);
        System.out.println(part + ": " + tests.count + " tests, " + tests.failed.size() + " failed");
        return tests.count > 0 && tests.failed.isEmpty();
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        started.put(test.getUniqueId(), System.nanoTime());
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        report(test, "skipped", reason);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        Throwable e = result.getThrowable().orElse(null);
        switch (result.getStatus()) {
            case SUCCESSFUL -> {
                if (test.isTest()) {
                    report(test, "passed", null);
                }
            }
            case ABORTED -> report(test, "skipped", String.valueOf(e));
            case FAILED -> {
                failed.add(test.getUniqueId());
                report(test, "failed", String.valueOf(e));
                e.printStackTrace(System.out);
            }
        }
    }

    private void report(TestIdentifier test, String outcome, String message) {
        count += test.isTest() ? 1 : 0;
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", part);
        line.put("test", name(test));
        line.put("outcome", outcome);
        Long start = started.get(test.getUniqueId());
        line.put("seconds", start == null ? 0 : (System.nanoTime() - start) / 1e9);
        if (message != null) {
            line.put("message", message.substring(0, Math.min(message.length(), LONGEST_MESSAGE)));
        }
        results.add(line);
        System.out.println(
                outcome + ": " + name(test) + (message == null || message.length() > 300 ? "" : ": " + message));
    }

    private static String name(TestIdentifier test) {
        String[] parts = test.getUniqueId().split("/");
        StringBuilder s = new StringBuilder();
        for (int i = 1; i < parts.length; i++) {
            String p = parts[i].replaceAll("^\\[[^:]*:|\\]$", "");
            s.append(i == 1 ? "" : ".").append(i == 1 ? p.substring(p.lastIndexOf('.') + 1) : p);
        }
        return s.toString();
    }
}
