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
import {Batches, BatchResult} from "./libraries/Batches.sol";
import {Permit, Permits} from "./libraries/Permits.sol";

/// @title PaymentGateway
/// @notice Takes ERC-20 payments from payers to merchants, once each, on exactly the terms that their id commits to.
/// It has no owner, no fee and no upgrade, and never holds tokens: they go from the payer straight to the merchant, and in a
/// refund from the merchant straight to whoever paid.
///
/// A payment id is the EIP-712 digest of the payment's terms. Whoever copies an id and changes the terms has another id,
/// so nobody can complete, burn or alter a payment with anything but its real terms, and the expiry is part of them.
/// The id is also the nonce of a payer's authorisation: there is no sequence, payments run in parallel.
///
/// Three ways lead to the same payment: the payer calls `pay` (or `payWithPermit`); the payer signs a forward request for
/// it and the trusted forwarder calls it; or the payer signs a `PaymentAuthorization` and anyone calls `executePayment(s)`.
/// A refund has one way: the merchant signs a `RefundAuthorization` and anyone calls `executeRefund(s)`. It can go to the
/// recorded payer only, and all refunds of a payment are together at most what was paid.
///
/// The token is believed. A token that returns true and moves less than it was asked to (one with a fee on transfer) makes
/// the merchant receive less than `amount`. Balances are not compared before and after, since that would cost every
/// payment two more calls while the terms are chosen by a server that accepts listed tokens only, and since the token's
/// `Transfer` event beside `PaymentProcessed` shows it to whoever wants to check. A token can cheat its own payments only.
contract PaymentGateway is IPaymentGateway, ERC2771Context, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Permits for address;

    /// @notice The gas that an item of a batch may use, and is guaranteed to get. A plain payment uses about 50,000, a refund
    /// 80,000; the rest is room for a permit, a token behind a proxy and a contract wallet that checks its signature.
    uint256 public constant BATCH_ITEM_GAS = 400_000;

    /// @dev Kept back for what the batch itself does after an item (the rejection event) and before the next.
    uint256 private constant BATCH_RESERVE_GAS = 20_000;

    bytes32 private constant PAYMENT_TERMS_TYPEHASH = keccak256(
        "PaymentTerms(bytes32 salt,address token,uint256 amount,address merchant,uint48 expiresAt)"
    );

    bytes32 private constant PAYMENT_AUTHORIZATION_TYPEHASH = keccak256(
        "PaymentAuthorization(bytes32 paymentId,address merchant,address token,uint256 amount,address payer,uint48 deadline)"
    );

    bytes32 private constant REFUND_AUTHORIZATION_TYPEHASH = keccak256(
        "RefundAuthorization(bytes32 paymentId,uint256 amount,uint256 nonce,uint48 deadline)"
    );

    /// @dev Payer of each processed payment. One slot is the flag and the payer alike.
    mapping(bytes32 paymentId => address payer) private _payers;

    /// @dev What of each payment went back, never more than its amount.
    mapping(bytes32 paymentId => uint256 amount) private _refunded;

    mapping(bytes32 paymentId => mapping(uint256 nonce => bool used)) private _refundNonces;

    /// @param trustedForwarder_ the ERC-2771 forwarder whose word on the sender is believed, for good
    constructor(address trustedForwarder_) ERC2771Context(trustedForwarder_) EIP712("MSQPay", "1") {
        if (trustedForwarder_.code.length == 0) revert InvalidForwarder(trustedForwarder_);
    }

    modifier onlySelf() {
        if (msg.sender != address(this)) revert OnlySelf(msg.sender);
        _;
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
    function executePayments(
        PaymentExecution[] calldata executions
    ) external nonReentrant returns (BatchResult[] memory results) {
        results = new BatchResult[](executions.length);
        for (uint256 i = 0; i < executions.length; ++i) {
            if (_tryItem(i, abi.encodeCall(this.executeBatchItem, (executions[i])))) {
                results[i].success = true;
            } else {
                bytes memory reason = Batches.boundedReturnData();
                results[i].reason = reason;
                emit PaymentRejected(paymentIdOf(executions[i].terms), reason);
            }
        }
    }

    /// @notice One item of `executePayments`, in a call of its own so that all it did is undone when it fails.
    /// @dev For the gateway itself only. Not `nonReentrant`: the batch around it holds the guard.
    function executeBatchItem(PaymentExecution calldata execution) external onlySelf {
        _execute(execution);
    }

    /// @inheritdoc IPaymentGateway
    function executeRefund(RefundExecution calldata execution) external nonReentrant {
        _executeRefund(execution);
    }

    /// @inheritdoc IPaymentGateway
    function executeRefunds(
        RefundExecution[] calldata executions
    ) external nonReentrant returns (BatchResult[] memory results) {
        results = new BatchResult[](executions.length);
        for (uint256 i = 0; i < executions.length; ++i) {
            if (_tryItem(i, abi.encodeCall(this.executeRefundBatchItem, (executions[i])))) {
                results[i].success = true;
            } else {
                bytes memory reason = Batches.boundedReturnData();
                results[i].reason = reason;
                emit RefundRejected(paymentIdOf(executions[i].terms), executions[i].nonce, reason);
            }
        }
    }

    /// @notice One item of `executeRefunds`, as `executeBatchItem` is one of `executePayments`.
    function executeRefundBatchItem(RefundExecution calldata execution) external onlySelf {
        _executeRefund(execution);
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
    function refundedAmount(bytes32 paymentId) external view returns (uint256 amount) {
        return _refunded[paymentId];
    }

    /// @inheritdoc IPaymentGateway
    function isRefundNonceUsed(bytes32 paymentId, uint256 nonce) external view returns (bool used) {
        return _refundNonces[paymentId][nonce];
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

    /// @dev Calls this contract for one item with exactly `BATCH_ITEM_GAS`, or reverts the batch, so that a token or wallet
    /// that burns all it gets takes nothing from the other items. The answer is left for `Batches.boundedReturnData`.
    function _tryItem(uint256 index, bytes memory data) private returns (bool success) {
        // A call can pass on 63/64 of what is left.
        Batches.requireGas(index, BATCH_ITEM_GAS + BATCH_ITEM_GAS / 63 + BATCH_RESERVE_GAS);
        assembly ("memory-safe") {
            success := call(BATCH_ITEM_GAS, address(), 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
    }

    function _execute(PaymentExecution calldata execution) private {
        PaymentTerms calldata terms = execution.terms;
        address payer = execution.payer;
        bytes32 paymentId = _openPaymentId(terms);
        if (block.timestamp > execution.deadline) {
            revert AuthorizationExpired(paymentId, execution.deadline, block.timestamp);
        }
        if (!_isSignedBy(payer, _authorizationHash(paymentId, execution), execution.signature)) {
            revert InvalidAuthorization(paymentId, payer);
        }
        _record(paymentId, terms, payer);
        if (execution.permit.deadline != 0) terms.token.tryPermit(payer, address(this), execution.permit);
        _transfer(terms, payer);
    }

    function _executeRefund(RefundExecution calldata execution) private {
        PaymentTerms calldata terms = execution.terms;
        uint256 amount = execution.amount;
        uint256 nonce = execution.nonce;
        if (amount == 0) revert InvalidAmount(amount);
        // Terms of a payment that was made are sound, and its expiry does not matter any more.
        bytes32 paymentId = paymentIdOf(terms);
        address payer = _payers[paymentId];
        if (payer == address(0)) revert PaymentNotProcessed(paymentId);
        if (block.timestamp > execution.deadline) {
            revert RefundExpired(paymentId, nonce, execution.deadline, block.timestamp);
        }
        if (_refundNonces[paymentId][nonce]) revert RefundNonceUsed(paymentId, nonce);
        uint256 refunded = _refunded[paymentId];
        if (amount > terms.amount - refunded) revert RefundExceedsPayment(paymentId, amount, refunded, terms.amount);
        if (!_isSignedBy(terms.merchant, _refundAuthorizationHash(paymentId, execution), execution.signature)) {
            revert InvalidRefundAuthorization(paymentId, nonce, terms.merchant);
        }
        _refundNonces[paymentId][nonce] = true;
        _refunded[paymentId] = refunded + amount;
        emit RefundProcessed(paymentId, terms.merchant, payer, terms.token, amount, nonce);
        if (execution.permit.deadline != 0) terms.token.tryPermit(terms.merchant, address(this), execution.permit);
        IERC20(terms.token).safeTransferFrom(terms.merchant, payer, amount);
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

    function _authorizationHash(
        bytes32 paymentId,
        PaymentExecution calldata execution
    ) private pure returns (bytes32 structHash) {
        return
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
            );
    }

    /// @dev The payment id stands for merchant and token.
    function _refundAuthorizationHash(
        bytes32 paymentId,
        RefundExecution calldata execution
    ) private pure returns (bytes32 structHash) {
        return
            keccak256(
                abi.encode(
                    REFUND_AUTHORIZATION_TYPEHASH,
                    paymentId,
                    execution.amount,
                    execution.nonce,
                    execution.deadline
                )
            );
    }

    /// @dev Recovers first and asks the signer's contract only when that fails: it saves looking up the code of a plain
    /// account, and lets accounts that delegate their code (EIP-7702) sign as before. Never true for the zero address.
    function _isSignedBy(address signer, bytes32 structHash, bytes calldata signature) private view returns (bool) {
        bytes32 digest = _hashTypedDataV4(structHash);
        (address recovered, ECDSA.RecoverError problem, ) = ECDSA.tryRecoverCalldata(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
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
