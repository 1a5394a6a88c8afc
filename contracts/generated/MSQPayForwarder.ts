// Generated from contracts/src/MSQPayForwarder.sol by contracts/build.ts. Do not edit.
export const msqPayForwarderAbi = [
  {
    "inputs": [],
    "stateMutability": "nonpayable",
    "type": "constructor"
  },
  {
    "inputs": [
      {
        "internalType": "uint48",
        "name": "deadline",
        "type": "uint48"
      }
    ],
    "name": "ERC2771ForwarderExpiredRequest",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "signer",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "from",
        "type": "address"
      }
    ],
    "name": "ERC2771ForwarderInvalidSigner",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "requestedValue",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "msgValue",
        "type": "uint256"
      }
    ],
    "name": "ERC2771ForwarderMismatchedValue",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "ERC2771ForwarderNoRefundReceiver",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "target",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "forwarder",
        "type": "address"
      }
    ],
    "name": "ERC2771UntrustfulTarget",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "FailedCall",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "balance",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "needed",
        "type": "uint256"
      }
    ],
    "name": "InsufficientBalance",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "currentNonce",
        "type": "uint256"
      }
    ],
    "name": "InvalidAccountNonce",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "InvalidShortString",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "token",
        "type": "address"
      }
    ],
    "name": "MSQPayForwarderTokenTrustsForwarder",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "string",
        "name": "str",
        "type": "string"
      }
    ],
    "name": "StringTooLong",
    "type": "error"
  },
  {
    "anonymous": false,
    "inputs": [],
    "name": "EIP712DomainChanged",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "signer",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "bool",
        "name": "success",
        "type": "bool"
      }
    ],
    "name": "ExecutedForwardRequest",
    "type": "event"
  },
  {
    "inputs": [],
    "name": "eip712Domain",
    "outputs": [
      {
        "internalType": "bytes1",
        "name": "fields",
        "type": "bytes1"
      },
      {
        "internalType": "string",
        "name": "name",
        "type": "string"
      },
      {
        "internalType": "string",
        "name": "version",
        "type": "string"
      },
      {
        "internalType": "uint256",
        "name": "chainId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "verifyingContract",
        "type": "address"
      },
      {
        "internalType": "bytes32",
        "name": "salt",
        "type": "bytes32"
      },
      {
        "internalType": "uint256[]",
        "name": "extensions",
        "type": "uint256[]"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData",
        "name": "request",
        "type": "tuple"
      }
    ],
    "name": "execute",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData[]",
        "name": "requests",
        "type": "tuple[]"
      },
      {
        "internalType": "address payable",
        "name": "refundReceiver",
        "type": "address"
      }
    ],
    "name": "executeBatch",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData",
        "name": "request",
        "type": "tuple"
      },
      {
        "internalType": "address",
        "name": "token",
        "type": "address"
      },
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "deadline",
            "type": "uint256"
          },
          {
            "internalType": "uint8",
            "name": "v",
            "type": "uint8"
          },
          {
            "internalType": "bytes32",
            "name": "r",
            "type": "bytes32"
          },
          {
            "internalType": "bytes32",
            "name": "s",
            "type": "bytes32"
          }
        ],
        "internalType": "struct Permit",
        "name": "permit",
        "type": "tuple"
      }
    ],
    "name": "executeWithPermit",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "owner",
        "type": "address"
      }
    ],
    "name": "nonces",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData",
        "name": "request",
        "type": "tuple"
      }
    ],
    "name": "verify",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  }
] as const;

export const msqPayForwarderBytecode = '0x6101606040523461012f57604051610018604082610133565b600f815260208101906e26a9a8a830bca337b93bb0b93232b960891b825260405191610045604084610133565b600183526020830191603160f81b835261005e8161016a565b6101205261006b8461016a565b61014052519020918260e05251902080610100524660a0526040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a081526100d460c082610133565b5190206080523060c0526040516111bd90816101d6823960805181611040015260a051816110fd015260c05181611011015260e0518161108f015261010051816110b5015261012051816104540152610140518161047d0152f35b5f80fd5b601f909101601f19168101906001600160401b0382119082101761015657604052565b634e487b7160e01b5f52604160045260245ffd5b601f815111610195576020815191015160208210610186571790565b5f198260200360031b1b161790565b604460209160405192839163305a27a960e01b83528160048401528051918291826024860152018484015e5f828201840152601f01601f19168101030190fdfe60806040526004361015610011575f80fd5b5f3560e01c8063109eeed71461061457806319d8d38c146105d25780637ecebe001461055057806384b0196e1461041e578063ccf96b4a1461006e5763df905caf1461005b575f80fd5b61006c610067366107bf565b6109a7565b005b60407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261041a5760043567ffffffffffffffff811161041a573660238201121561041a57806004013567ffffffffffffffff811161041a576024820191602436918360051b01011161041a576024359173ffffffffffffffffffffffffffffffffffffffff831680840361041a575f9290159183918291905b8083106101875750505034810361015857508161012357005b6101305761006c91610ef2565b7f39c6e3b7000000000000000000000000000000000000000000000000000000005f5260045ffd5b7f70647f79000000000000000000000000000000000000000000000000000000005f526004523460245260445ffd5b9091926101a390604061019b868587610900565b01359061096d565b926101af818385610900565b5f90866101bb82610c42565b93610328575b82610320575b5081610318575b50610202575b5050156101e6575b600101919061010a565b946101fa600191604061019b898688610900565b9590506101dc565b73ffffffffffffffffffffffffffffffffffffffff91925016805f52600260205260405f208054906001820190555f806060850135946020610245818301610871565b60407fffffffffffffffffffffffffffffffffffffffff0000000000000000000000006102cb601461027a60a0880188610ea1565b61028689989298610871565b8651958287938585019b8c3783019160601b168382015203017ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff4810184520182610892565b519301359088f192603f5a9104116103165760407f842fb24a83793558587a3dab2be7674da4a51d09c5542d6dd354e5d0ea70813c9181519081528415156020820152a288806101d4565bfe5b90508b6101ce565b91508c6101c7565b82156103c957811561038a57806101c15773ffffffffffffffffffffffffffffffffffffffff848161035988610871565b917fc845a056000000000000000000000000000000000000000000000000000000005f52166004521660245260445ffd5b65ffffffffffff61039d60808701610c2f565b7f94eef58a000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b73ffffffffffffffffffffffffffffffffffffffff6103ea60208701610871565b7fd2650cd1000000000000000000000000000000000000000000000000000000005f52166004523060245260445ffd5b5f80fd5b3461041a575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261041a576104f46104787f0000000000000000000000000000000000000000000000000000000000000000610f6f565b6104a17f0000000000000000000000000000000000000000000000000000000000000000610f6f565b6020610502604051926104b48385610892565b5f84525f3681376040519586957f0f00000000000000000000000000000000000000000000000000000000000000875260e08588015260e087019061082e565b90858203604087015261082e565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b82811061053957505050500390f35b83518552869550938101939281019260010161052a565b3461041a5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261041a5760043573ffffffffffffffffffffffffffffffffffffffff8116810361041a576105ca60209173ffffffffffffffffffffffffffffffffffffffff165f52600260205260405f205490565b604051908152f35b3461041a5760206105ea6105e5366107bf565b610c42565b50908261060c575b5081610604575b506040519015158152f35b9050826105f9565b9150836105f2565b60e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261041a5760043567ffffffffffffffff811161041a578060040160e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc833603011261041a5760243573ffffffffffffffffffffffffffffffffffffffff811680820361041a5760a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261041a576106d482610bc2565b61079457506106ee60246106e784610871565b9401610871565b6084359160ff831680930361041a5761006c945f809493819473ffffffffffffffffffffffffffffffffffffffff604051928160208501967fd505accf0000000000000000000000000000000000000000000000000000000088521660248501521660448301526044356064830152606435608483015260a482015260a43560c482015260c43560e482015260e4815261078a61010482610892565b51925af1506109a7565b7f3952500a000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b60207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc82011261041a576004359067ffffffffffffffff821161041a577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc8260e09203011261041a5760040190565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b3573ffffffffffffffffffffffffffffffffffffffff8116810361041a5790565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff8211176108d357604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b91908110156109405760051b810135907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff218136030182121561041a570190565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b9190820180921161097a57565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b604081013590813403610b92575f916109bf82610c42565b9291908215610b71578115610b5e578015610b3e5782610b36575b5081610b2e575b50610a19575b505050156109f157565b7fd6bda275000000000000000000000000000000000000000000000000000000005f5260045ffd5b73ffffffffffffffffffffffffffffffffffffffff919293501690815f5260026020525f806040812092835493600185019055606086013595610a5e60208201610871565b917fffffffffffffffffffffffffffffffffffffffff000000000000000000000000610ae560146020610a9f610a9760a0880188610ea1565b919097610871565b604051958287938585019a8b3783019160601b168382015203017ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff4810184520182610892565b519288f192603f5a9104116103165760407f842fb24a83793558587a3dab2be7674da4a51d09c5542d6dd354e5d0ea70813c9181519081528415156020820152a25f80806109e7565b90505f6109e1565b91505f6109da565b73ffffffffffffffffffffffffffffffffffffffff848161035989610871565b65ffffffffffff61039d60808801610c2f565b73ffffffffffffffffffffffffffffffffffffffff6103ea60208801610871565b507f70647f79000000000000000000000000000000000000000000000000000000005f526004523460245260445ffd5b5f602091604051838101907f572b6c0500000000000000000000000000000000000000000000000000000000825230602482015260248152610c05604482610892565b51915afa5f513d82610c23575b5081610c1c575090565b9050151590565b6020111591505f610c12565b3565ffffffffffff8116810361041a5790565b90610c4c82610871565b6020830191610c5a83610871565b610c8b610c6686610871565b73ffffffffffffffffffffffffffffffffffffffff165f52600260205260405f205490565b6080860193610c9985610c2f565b92610ca760a0890189610ea1565b939067ffffffffffffffff85116108d35760405195610cee601f87017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe01660200188610892565b85875260208701368784011161041a57610df0975f60208960429a65ffffffffffff978637830101525190209273ffffffffffffffffffffffffffffffffffffffff604051958160208801987f7f96328b83274ebc7c1cf4f7a3abda602b51a78b7fa1d86a2ce353d75e587cac8a5216604088015216606086015260408c0135608086015260608c013560a086015260c08501521660e08301526101008201526101008152610d9f61012082610892565b519020610daa610ffa565b90604051917f190100000000000000000000000000000000000000000000000000000000000083526002830152602282015220610dea60c0870187610ea1565b91610fc6565b506004819492941015610e7457610e13610e0e610e19921596610871565b610bc2565b91610c2f565b9484610e33575b509365ffffffffffff4291161015929190565b73ffffffffffffffffffffffffffffffffffffffff919450610e5490610871565b1673ffffffffffffffffffffffffffffffffffffffff831614925f610e20565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b9035907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe18136030182121561041a570180359067ffffffffffffffff821161041a5760200191813603831361041a57565b814710610f3f575f80809373ffffffffffffffffffffffffffffffffffffffff829483604051610f23602082610892565b52165af115610f2e57565b3d156109f1576040513d5f823e3d90fd5b50477fcf479181000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b60ff811690601f8211610f9e5760405191610f8b604084610892565b6020808452838101919036833783525290565b7fb3512b0c000000000000000000000000000000000000000000000000000000005f5260045ffd5b9060418303610ff057610fe99250602081013591604082359201355f1a90611123565b9192909190565b50505f9160029190565b73ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000163014806110fa575b15611062577f000000000000000000000000000000000000000000000000000000000000000090565b60405160208101907f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f82527f000000000000000000000000000000000000000000000000000000000000000060408201527f000000000000000000000000000000000000000000000000000000000000000060608201524660808201523060a082015260a081526110f460c082610892565b51902090565b507f00000000000000000000000000000000000000000000000000000000000000004614611039565b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a084116111b2579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa156111a7575f5173ffffffffffffffffffffffffffffffffffffffff81161561119d57905f905f90565b505f906001905f90565b6040513d5f823e3d90fd5b5050505f916003919056' as const;
