import Glibc
import Terminal
import Testing

@Suite struct StreamTests {
  /// Both ends of a pseudo-terminal, closed at the end.
  private final class PseudoTerminal {
    private(set) var controller: Int32 = -1
    private(set) var terminal: Int32 = -1

    init() throws { try #require(openpty(&controller, &terminal, nil, nil, nil) == 0) }

    deinit {
      close(terminal)
      close(controller)
    }

    func resize(columns: UInt16) {
      var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
      #expect(ioctl(controller, UInt(TIOCSWINSZ), &size) == 0)
    }
  }

  @Test func aTerminalHasAWidthThatMayChange() throws {
    let pair = try PseudoTerminal()
    let terminal = Terminal(descriptor: pair.terminal)
    #expect(terminal.isInteractive)
    #expect(terminal.columns == nil, "a new pseudo-terminal does not say")
    pair.resize(columns: 132)
    #expect(terminal.columns == 132)
    pair.resize(columns: 40)
    #expect(terminal.columns == 40)
  }

  @Test func aPipeOrAClosedDescriptorIsNoTerminal() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    for descriptor in [ends[1], -1] {
      let stream = Terminal(descriptor: descriptor, type: "xterm")
      #expect(!stream.isInteractive && !stream.canRedraw && !stream.hasColor)
      #expect(stream.columns == nil)
      #expect(stream.red("text") == "text")
    }
  }

  @Test func colorsAndRedrawingFollowTheEnvironment() throws {
    let pair = try PseudoTerminal()
    let rich = Terminal(descriptor: pair.terminal, type: "xterm-256color")
    #expect(rich.canRedraw && rich.hasColor)
    #expect(rich.red("Error:") == "\u{1b}[31mError:\u{1b}[0m")
    let plain = Terminal(descriptor: pair.terminal, type: "xterm-256color", isPlain: true)
    #expect(plain.canRedraw && !plain.hasColor)
    let dumb = Terminal(descriptor: pair.terminal, type: "dumb")
    #expect(dumb.isInteractive && !dumb.canRedraw && !dumb.hasColor)
  }

  @Test func theLocaleDecidesAboutUTF8() {
    for name in ["C.UTF-8", "de_DE.utf8", "en_US.UTF-8@euro"] { #expect(Terminal.isUTF8(locale: name), "\(name)") }
    for name in [nil, "", "C", "POSIX", "de_DE.ISO-8859-1", "UTF-8", "en_US"] {
      #expect(!Terminal.isUTF8(locale: name), "\(name ?? "none")")
    }
  }

  @Test func textWithoutUTF8IsASCII() {
    #expect(Terminal.inASCII("größe ██░  3 s… 名") == "gr??e ##-  3 s... ?")
  }

  @Test func redrawingReplacesTheLine() {
    #expect(Terminal.redrawing("50%") == "\r\u{1b}[K50%")
  }
}
