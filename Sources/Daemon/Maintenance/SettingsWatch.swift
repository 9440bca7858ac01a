import Diagnostics
import Primitives
import Settings

/// Follows `kachery.yaml`: which of its entries are in effect, and what the log says about changes and mistakes.
final class SettingsWatch {
  /// Most findings that are logged at a time.
  private static let maximumLogged = 20

  private let log: Log
  /// What the daemon has started with.
  private let start: SettingLayers
  /// The file, with earlier entries in place of wrong ones.
  private var file: SettingsFile
  /// The last findings, or the reason why the file cannot be read. Repeated ones are not logged.
  private var problems: [String] = []

  init(_ start: SettingLayers, log: Log) {
    self.start = start
    self.log = log
    file = start.file
  }

  /// Takes over what was read.
  ///
  /// - Parameter isAsked: whether the owner wants to know even that nothing has changed.
  /// - Returns: what is in effect now.
  func take(_ result: Result<SettingsFile, KacheryError>, isAsked: Bool) -> SettingsFile {
    var new = file
    switch result {
    case .success(let read):
      new = read.keepingEarlier(file)
      logNew(
        read.findings.map { finding in
          let effect =
            finding.setting == nil ? "It has no effect." : "Until this is corrected, the earlier value holds."
          return "\(SettingsFile.name), \(finding.description) \(effect)"
        })
    case .failure(let error):
      logNew(["\(error.message) Until this is corrected, the earlier settings hold."])
    }
    note(SettingChange.between(layers(with: file), layers(with: new)), isAsked: isAsked)
    file = new
    return new
  }

  private func layers(with file: SettingsFile) -> SettingLayers {
    var layers = start
    layers.file = file
    return layers
  }

  private func logNew(_ now: [String]) {
    for problem in now.filter({ !problems.contains($0) }).prefix(Self.maximumLogged) {
      log.warning(problem, .settingWrong)
    }
    problems = now
  }

  private func note(_ changes: [SettingChange], isAsked: Bool) {
    for change in changes {
      if change.isApplied {
        log.info("Applied \(SettingsFile.name): \(change.text).", .settingApplied)
      } else {
        log.warning(
          "\(SettingsFile.name): \(change.text); this takes effect when the daemon is restarted.", .restartNeeded)
      }
    }
    if changes.isEmpty, isAsked { log.info("\(SettingsFile.name): no setting has changed.") }
  }

  /// Every setting: those that are reloaded as the file says now, the others as at the start, with what the file says.
  func report(_ actual: [SettingName: String], file path: String) -> SettingsReport {
    var effective = start
    effective.file = file.replacing(start.file) { !Setting.named($0).isReloaded }
    return SettingsReport(
      effective, written: layers(with: file), actual: actual, file: path, problems: problems)
  }
}
