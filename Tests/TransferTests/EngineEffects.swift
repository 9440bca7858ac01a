import Transfer

extension TransferEngine {
  /// All effects since the last input.
  mutating func drain() -> [TransferEffect] {
    var effects: [TransferEffect] = []
    while let effect = nextEffect() { effects.append(effect) }
    return effects
  }
}

extension [TransferEffect] {
  var questions: [Question] { compactMap { if case .ask(let question) = $0 { question } else { nil } } }

  var fetches: [PieceFetch] { compactMap { if case .fetch(let fetch, _) = $0 { fetch } else { nil } } }

  var failure: TransferFailure? {
    compactMap { if case .failed(_, let failure, _) = $0 { failure } else { nil } }.first
  }

  /// The first attempt to be prepared.
  var download: DownloadID? {
    compactMap { effect in
      switch effect {
      case .download(.prepare(let id, _)), .download(.readManifest(let id, _, _)): id
      default: nil
      }
    }.first
  }
}
