package io.quern.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Prints what a shell needs to complete commands and options. */
@Command(
        name = "completion",
        description = {
            "Print a script by which bash and zsh complete commands and options.",
            "In bash: source <(quern completion)",
            "In zsh, after autoload -U +X bashcompinit && bashcompinit: the same."
        })
final class CompletionCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    private final Output output;

    CompletionCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        output.print(AutoComplete.bash("quern", Main.commandLine(output, "")));
        return Main.OK;
    }
}
