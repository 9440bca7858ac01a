import APIModel
import LocalAPI
import Primitives

extension Node {
  var transfers: [TransferState] {
    let uploads = uploads.sending.compactMap { account, file -> TransferState? in
      guard let node = links.node(account) else { return nil }
      var state = TransferState(
        file.hash == nil ? .uploads : .upload, number: "\(account.number)-\(file.hash?.hex.prefix(12) ?? "")")
      (state.hash, state.bytes, state.nodes) = (file.hash, file.bytes, [node])
      return state
    }
    return requests.transfers + batches.transfers + uploads
  }
}
