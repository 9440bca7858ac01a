import Process

// A reader that has seen enough (`kachery-cat … | head`) ends the program quietly.
ProcessSignal.endOnClosedPipe()
if let argument = CurrentProcess.argumentThatIsNotText {
  // Read as text, it would name another file.
  Console.error("'\(argument)' is not UTF-8; give the file another name, or a link to it.")
  CurrentProcess.end(ExitCode.wrongUsage.rawValue)
}
CurrentProcess.end(Program.run(CommandLine.arguments))
