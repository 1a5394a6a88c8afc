// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {Permit, Permits} from "./libraries/Permits.sol";

/// @title MSQPayForwarder
/// @notice The ERC-2771 forwarder of the payment gateway: brings calls to it that payers signed, at the sender's expense.
/// Beyond OpenZeppelin's forwarder it can apply a token permit first, so that a payer who has given no allowance yet needs
/// to sign only.
contract MSQPayForwarder is ERC2771Forwarder {
    using Permits for address;

    /// @notice The token trusts this forwarder, so a call to it would be believed to come from somebody.
    error MSQPayForwarderTokenTrustsForwarder(address token);

    constructor() ERC2771Forwarder("MSQPayForwarder") {}

    /// @notice Applies a permit of `request.from` for `request.to`, then does what `execute` does.
    /// A permit that fails is ignored: somebody may have applied it first, and if the allowance is missing all the same
    /// the request fails and its nonce stays unused.
    /// @dev This makes the forwarder, whose calls are trusted, call an address that any sender may choose. It is safe because
    ///  - the selector is always that of `permit`, which the gateway does not have (nor a fallback), so that the gateway cannot
    ///    be made to do anything by it;
    ///  - what trusts this forwarder is refused as `token`, the request's target among it. Such a contract would take the last
    ///    20 bytes of the call, here a part of the signature that the sender chooses, for the sender's address;
    ///  - a hostile token gets no more than a plain call from an address with no rights, and `permit` is checked by the
    ///    token against the owner's signature. If it calls back, every request it brings needs the signature of its own
    ///    signer, and the nonce of this one is used before its target is called.
    /// The sender chooses `token` and `permit`, and risks their gas: relay for known tokens only.
    /// @param request the signed request, as for `execute`
    /// @param token the token that the permit is for
    /// @param permit signed by `request.from` with `request.to` as the spender
    function executeWithPermit(
        ForwardRequestData calldata request,
        address token,
        Permit calldata permit
    ) external payable {
        if (_isTrustedByTarget(token)) revert MSQPayForwarderTokenTrustsForwarder(token);
        token.tryPermit(request.from, request.to, permit);
        execute(request);
    }
}
