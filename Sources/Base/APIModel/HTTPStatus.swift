package import Primitives

extension KacheryError.Code {
  /// The HTTP status of an answer with this error.
  package var httpStatus: Int {
    switch self {
    case .badRequest, .badConfiguration: 400
    case .forbidden, .permissionDenied: 403
    case .notFound, .noChannel, .notAuthorized, .refusedByPeer, .noMemberOnline: 404
    case .tooLarge: 413
    case .timedOut: 504
    default: 500
    }
  }
}
