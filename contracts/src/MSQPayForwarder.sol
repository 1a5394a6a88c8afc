// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Batches, BatchResult} from "./libraries/Batches.sol";
import {Permit, Permits} from "./libraries/Permits.sol";

/// @title MSQPayForwarder
/// @notice The ERC-2771 forwarder of the payment gateway: brings calls to it that payers signed, at the sender's expense.
/// Beyond OpenZeppelin's forwarder it can apply a token permit first, so that a payer who has given no allowance yet needs
/// to sign only, and it can do so for many requests at once, of which each stands alone.
///
/// A permit makes the forwarder, whose calls are trusted, call an address that any sender may choose. It is safe because
///  - the selector is always that of `permit`, which the gateway does not have (nor a fallback), so that the gateway cannot
///    be made to do anything by it;
///  - what trusts this forwarder is refused as a token, the request's target among it. Such a contract would take the last
///    20 bytes of the call, here a part of the signature that the sender chooses, for the sender's address;
///  - a hostile token gets no more than a plain call from an address with no rights, and `permit` is checked by the
///    token against the owner's signature. If it calls back, every request it brings needs the signature of its own
///    signer, and the nonce of a request is used before its target is called.
/// The sender chooses tokens and permits, and risks their gas: relay for known tokens only.
contract MSQPayForwarder is ERC2771Forwarder {
    using Permits for address;

    /// @notice A permit for the request at `requestIndex` of a batch, signed by its `from` with its `to` as the spender.
    struct BatchPermit {
        uint256 requestIndex;
        address token;
        Permit permit;
    }

    /// @notice The gas that a permit of a batch may use. A plain one uses about 50,000; the rest is room for a token behind a
    /// proxy and a contract wallet that checks its signature.
    uint256 public constant BATCH_PERMIT_GAS = 150_000;

    /// @notice The gas in which a contract has to say whether it trusts this forwarder. OpenZeppelin's `ERC2771Context`
    /// uses below 1,000; the rest is room for a proxy.
    uint256 public constant TRUST_CHECK_GAS = 30_000;

    /// @dev Kept back for what a batch does for a request around the signed call: asking its target, recovering its signer,
    /// using its first nonce (together about 60,000) and logging its outcome.
    uint256 private constant BATCH_RESERVE_GAS = 80_000;

    /// @dev What a batch needs for a permit, around the permit's own gas: asking the token, and encoding and making two calls.
    uint256 private constant BATCH_PERMIT_RESERVE_GAS = TRUST_CHECK_GAS + 10_000;

    /// @notice The token trusts this forwarder, so a call to it would be believed to come from somebody.
    error MSQPayForwarderTokenTrustsForwarder(address token);

    /// @notice The permit at `permitIndex` comes after one for a later request, or is for a request that is not there.
    error MSQPayForwarderPermitOutOfOrder(uint256 permitIndex, uint256 requestIndex);

    constructor() ERC2771Forwarder("MSQPayForwarder") {}

    /// @notice Applies a permit of `request.from` for `request.to`, then does what `execute` does.
    /// A permit that fails is ignored: somebody may have applied it first, and if the allowance is missing all the same
    /// the request fails and its nonce stays unused.
    /// @param request the signed request, as for `execute`
    /// @param token the token that the permit is for
    /// @param permit signed by `request.from` with `request.to` as the spender
    function executeWithPermit(
        ForwardRequestData calldata request,
        address token,
        Permit calldata permit
    ) external payable {
        if (_mayTrust(token)) revert MSQPayForwarderTokenTrustsForwarder(token);
        token.tryPermit(request.from, request.to, permit);
        execute(request);
    }

    /// @notice Executes many requests in order, each after its permits. Each stands alone: one that is invalid is skipped and
    /// its nonce stays unused; one whose call reverts has used its nonce and emits `ExecutedForwardRequest` without success.
    /// Several requests of one signer may follow each other, with successive nonces.
    /// A permit that fails is ignored, as by `executeWithPermit`; one for a token that trusts this forwarder makes its
    /// request invalid. Requests with value are invalid here.
    /// @dev Before each item the batch reverts with `BatchGasTooLow` unless the item can be given all the gas it asks for,
    /// so that no item is ever rejected for the sender's thrift and a gas estimate finds a limit under which all run.
    /// @param requests the signed requests, as for `execute`
    /// @param permits in ascending order of their requests, any number for each
    /// @return results what became of each request, in order. The reason of an invalid one is the error with which `execute`
    /// or `executeWithPermit` would refuse it, of another the revert data of its call.
    function executeBatchWithPermits(
        ForwardRequestData[] calldata requests,
        BatchPermit[] calldata permits
    ) external returns (BatchResult[] memory results) {
        results = new BatchResult[](requests.length);
        uint256 permitIndex = 0;
        for (uint256 i = 0; i < requests.length; ++i) {
            uint256 firstPermit = permitIndex;
            while (permitIndex < permits.length && permits[permitIndex].requestIndex == i) ++permitIndex;
            results[i] = _tryRequest(i, requests[i], permits[firstPermit:permitIndex]);
        }
        if (permitIndex < permits.length) {
            revert MSQPayForwarderPermitOutOfOrder(permitIndex, permits[permitIndex].requestIndex);
        }
    }

    /// @dev One item of `executeBatchWithPermits`.
    function _tryRequest(
        uint256 index,
        ForwardRequestData calldata request,
        BatchPermit[] calldata permits
    ) private returns (BatchResult memory result) {
        Batches.requireGas(index, _requiredGas(request, permits.length));
        if (request.value != 0) {
            result.reason = abi.encodeWithSelector(ERC2771ForwarderMismatchedValue.selector, request.value, 0);
            return result;
        }
        for (uint256 i = 0; i < permits.length; ++i) {
            address token = permits[i].token;
            if (_mayTrust(token)) {
                result.reason = abi.encodeWithSelector(MSQPayForwarderTokenTrustsForwarder.selector, token);
                return result;
            }
            token.tryPermitWithGas(request.from, request.to, permits[i].permit, BATCH_PERMIT_GAS);
        }
        uint256 nonce = nonces(request.from);
        result.success = _execute(request, false);
        // The signed call was the last one if there was one, and then the nonce is used. Nothing can use it in an invalid
        // request, which makes calls that change no state only.
        if (!result.success) {
            result.reason = nonces(request.from) == nonce ? _invalidity(request) : Batches.boundedReturnData();
        }
    }

    /// @dev The gas at the start of an item with which all of it gets its full gas. A call can pass on 63/64 of what is left.
    /// The data of the request is hashed and copied, which costs below a unit for each byte.
    function _requiredGas(ForwardRequestData calldata request, uint256 permits) private pure returns (uint256 gas) {
        uint256 around =
            BATCH_RESERVE_GAS +
                request.data.length +
                permits * (BATCH_PERMIT_GAS + BATCH_PERMIT_GAS / 63 + BATCH_PERMIT_RESERVE_GAS);
        return Math.saturatingAdd(request.gas, request.gas / 63 + around);
    }

    /// @dev The error with which `execute` refuses an invalid request.
    function _invalidity(ForwardRequestData calldata request) private view returns (bytes memory reason) {
        (bool trusted, bool active, , address signer) = _validate(request);
        if (!trusted) return abi.encodeWithSelector(ERC2771UntrustfulTarget.selector, request.to, address(this));
        if (!active) return abi.encodeWithSelector(ERC2771ForwarderExpiredRequest.selector, request.deadline);
        return abi.encodeWithSelector(ERC2771ForwarderInvalidSigner.selector, signer, request.from);
    }

    /// @dev Asks with bounded gas, so that a hostile target takes little from the other items of a batch.
    function _isTrustedByTarget(address target) internal view override returns (bool trusted) {
        (trusted, ) = _askForTrust(target);
    }

    /// @dev Whoever did not answer in time may trust: a token must not slip through for want of gas.
    function _mayTrust(address token) private view returns (bool) {
        (bool trusted, bool exhausted) = _askForTrust(token);
        return trusted || exhausted;
    }

    /// @return trusted whether the target says that it trusts this forwarder
    /// @return exhausted whether it failed to answer and used up its gas
    function _askForTrust(address target) private view returns (bool trusted, bool exhausted) {
        bytes memory question = abi.encodeCall(ERC2771Context.isTrustedForwarder, (address(this)));
        uint256 gasBefore = gasleft();
        assembly ("memory-safe") {
            let success := staticcall(TRUST_CHECK_GAS, target, add(question, 0x20), mload(question), 0x00, 0x20)
            exhausted := and(iszero(success), gt(sub(gasBefore, gas()), TRUST_CHECK_GAS))
            trusted := and(success, and(gt(returndatasize(), 0x1f), gt(mload(0x00), 0)))
        }
    }
}
