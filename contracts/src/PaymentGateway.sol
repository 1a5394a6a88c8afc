// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IPaymentGateway} from "./interfaces/IPaymentGateway.sol";
import {Permit, Permits} from "./libraries/Permits.sol";

/// @title PaymentGateway
/// @notice Takes ERC-20 payments from payers to merchants, once each, on exactly the terms that their id commits to.
/// It has no owner, no fee and no upgrade, and never holds tokens: they go from the payer straight to the merchant.
///
/// A payment id is the EIP-712 digest of the payment's terms. Whoever copies an id and changes the terms has another id,
/// so nobody can complete, burn or alter a payment with anything but its real terms, and the expiry is part of them.
/// The id is also the nonce of a payer's authorisation: there is no sequence, payments run in parallel.
///
/// Three ways lead to the same payment: the payer calls `pay` (or `payWithPermit`); the payer signs a forward request for
/// it and the trusted forwarder calls it; or the payer signs a `PaymentAuthorization` and anyone calls `executePayment(s)`.
///
/// The token is believed. A token that returns true and moves less than it was asked to (one with a fee on transfer) makes
/// the merchant receive less than `amount`. Balances are not compared before and after, since that would cost every
/// payment two more calls while the terms are chosen by a server that accepts listed tokens only, and since the token's
/// `Transfer` event beside `PaymentProcessed` shows it to whoever wants to check. A token can cheat its own payments only.
contract PaymentGateway is IPaymentGateway, ERC2771Context, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Permits for address;

    /// @notice The gas that an item of a batch may use, and is guaranteed to get. A plain payment uses about 50,000; the rest
    /// is room for a permit, a token behind a proxy and a contract wallet that checks its signature.
    uint256 public constant BATCH_ITEM_GAS = 400_000;

    /// @dev Kept back for what the batch itself does after an item (the rejection event) and before the next.
    uint256 private constant BATCH_RESERVE_GAS = 20_000;

    /// @dev The most of an item's revert data that is copied and logged.
    uint256 private constant MAX_REASON_BYTES = 256;

    bytes32 private constant PAYMENT_TERMS_TYPEHASH = keccak256(
        "PaymentTerms(bytes32 salt,address token,uint256 amount,address merchant,uint48 expiresAt)"
    );

    bytes32 private constant PAYMENT_AUTHORIZATION_TYPEHASH = keccak256(
        "PaymentAuthorization(bytes32 paymentId,address merchant,address token,uint256 amount,address payer,uint48 deadline)"
    );

    /// @dev Payer of each processed payment. One slot is the flag and the payer alike.
    mapping(bytes32 paymentId => address payer) private _payers;

    /// @param trustedForwarder_ the ERC-2771 forwarder whose word on the sender is believed, for good
    constructor(address trustedForwarder_) ERC2771Context(trustedForwarder_) EIP712("MSQPay", "1") {
        if (trustedForwarder_.code.length == 0) revert InvalidForwarder(trustedForwarder_);
    }

    /// @inheritdoc IPaymentGateway
    function pay(PaymentTerms calldata terms) external nonReentrant {
        address payer = _msgSender();
        _record(_openPaymentId(terms), terms, payer);
        _transfer(terms, payer);
    }

    /// @inheritdoc IPaymentGateway
    function payWithPermit(PaymentTerms calldata terms, Permit calldata permit) external nonReentrant {
        address payer = _msgSender();
        _record(_openPaymentId(terms), terms, payer);
        terms.token.tryPermit(payer, address(this), permit);
        _transfer(terms, payer);
    }

    /// @inheritdoc IPaymentGateway
    function executePayment(PaymentExecution calldata execution) external nonReentrant {
        _execute(execution);
    }

    /// @inheritdoc IPaymentGateway
    function executePayments(PaymentExecution[] calldata executions) external nonReentrant {
        for (uint256 i = 0; i < executions.length; ++i) {
            if (!_tryExecute(i, executions[i])) {
                // Anything but the revert data would overwrite it, so it is taken before the id is computed.
                bytes memory reason = _boundedReturnData();
                emit PaymentRejected(paymentIdOf(executions[i].terms), reason);
            }
        }
    }

    /// @notice One item of `executePayments`, in a call of its own so that all it did is undone when it fails.
    /// @dev For the gateway itself only. Not `nonReentrant`: the batch around it holds the guard.
    function executeBatchItem(PaymentExecution calldata execution) external {
        if (msg.sender != address(this)) revert OnlySelf(msg.sender);
        _execute(execution);
    }

    /// @inheritdoc IPaymentGateway
    function processedPayments(bytes32 paymentId) external view returns (bool processed) {
        return _payers[paymentId] != address(0);
    }

    /// @inheritdoc IPaymentGateway
    function payerOf(bytes32 paymentId) external view returns (address payer) {
        return _payers[paymentId];
    }

    /// @inheritdoc IPaymentGateway
    function paymentIdOf(PaymentTerms calldata terms) public view returns (bytes32 paymentId) {
        return
            _hashTypedDataV4(
                keccak256(
                    abi.encode(
                        PAYMENT_TERMS_TYPEHASH,
                        terms.salt,
                        terms.token,
                        terms.amount,
                        terms.merchant,
                        terms.expiresAt
                    )
                )
            );
    }

    /// @dev Runs one item with exactly `BATCH_ITEM_GAS`, so that a token or wallet that burns all it gets takes nothing from
    /// the other items. Reverts the batch when that much cannot be given: the EVM would quietly give less, and an item
    /// without fault would be rejected (by a sender who wants that, or by a gas estimate that looks for the smallest
    /// limit under which the transaction succeeds).
    function _tryExecute(uint256 index, PaymentExecution calldata execution) private returns (bool success) {
        bytes memory data = abi.encodeCall(this.executeBatchItem, (execution));
        // A call can pass on 63/64 of what is left.
        uint256 required = BATCH_ITEM_GAS + BATCH_ITEM_GAS / 63 + BATCH_RESERVE_GAS;
        uint256 available = gasleft();
        if (available < required) revert BatchGasTooLow(index, available, required);
        assembly ("memory-safe") {
            success := call(BATCH_ITEM_GAS, address(), 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
    }

    /// @dev The revert data of the last call, cut to `MAX_REASON_BYTES` so that a huge one costs the batch nothing.
    function _boundedReturnData() private pure returns (bytes memory data) {
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, MAX_REASON_BYTES) {
                size := MAX_REASON_BYTES
            }
            data := mload(0x40)
            mstore(data, size)
            returndatacopy(add(data, 0x20), 0x00, size)
            mstore(0x40, add(data, and(add(size, 0x3f), not(0x1f))))
        }
    }

    function _execute(PaymentExecution calldata execution) private {
        PaymentTerms calldata terms = execution.terms;
        address payer = execution.payer;
        bytes32 paymentId = _openPaymentId(terms);
        if (block.timestamp > execution.deadline) {
            revert AuthorizationExpired(paymentId, execution.deadline, block.timestamp);
        }
        if (!_isAuthorized(paymentId, execution)) revert InvalidAuthorization(paymentId, payer);
        _record(paymentId, terms, payer);
        if (execution.permit.deadline != 0) terms.token.tryPermit(payer, address(this), execution.permit);
        _transfer(terms, payer);
    }

    /// @dev The id of terms that are sound, unpaid and not expired; reverts otherwise.
    function _openPaymentId(PaymentTerms calldata terms) private view returns (bytes32 paymentId) {
        if (terms.token == address(0)) revert InvalidToken(terms.token);
        if (terms.amount == 0) revert InvalidAmount(terms.amount);
        if (terms.merchant == address(0) || terms.merchant == address(this)) revert InvalidMerchant(terms.merchant);
        paymentId = paymentIdOf(terms);
        address earlierPayer = _payers[paymentId];
        if (earlierPayer != address(0)) revert PaymentAlreadyProcessed(paymentId, earlierPayer);
        if (block.timestamp > terms.expiresAt) revert PaymentExpired(paymentId, terms.expiresAt, block.timestamp);
    }

    /// @dev Recovers first and asks the payer's contract only when that fails: it saves looking up the code of a plain
    /// account, and lets accounts that delegate their code (EIP-7702) sign as before. Never true for the zero address.
    function _isAuthorized(bytes32 paymentId, PaymentExecution calldata execution) private view returns (bool) {
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(
                    PAYMENT_AUTHORIZATION_TYPEHASH,
                    paymentId,
                    execution.terms.merchant,
                    execution.terms.token,
                    execution.terms.amount,
                    execution.payer,
                    execution.deadline
                )
            )
        );
        (address recovered, ECDSA.RecoverError problem, ) = ECDSA.tryRecoverCalldata(digest, execution.signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == execution.payer) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(execution.payer, digest, execution.signature);
    }

    /// @dev All effects, before any call that can change anything.
    function _record(bytes32 paymentId, PaymentTerms calldata terms, address payer) private {
        if (payer == terms.merchant) revert PayerIsMerchant(payer);
        _payers[paymentId] = payer;
        emit PaymentProcessed(paymentId, payer, terms.merchant, terms.token, terms.amount);
    }

    function _transfer(PaymentTerms calldata terms, address payer) private {
        IERC20(terms.token).safeTransferFrom(payer, terms.merchant, terms.amount);
    }
}
